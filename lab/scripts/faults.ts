/** npm run test:faults: kills the worker at every AWS mutation of a case. `-- <pattern>` takes only calls that it matches. */
import { main } from '../../test/faults/main';

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
