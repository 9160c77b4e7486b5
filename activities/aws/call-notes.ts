import { noteAwsCall } from '../custody-acts';

/** Calls that change nothing. Of AWS's naming conventions: Service Authorization Reference, access levels List and Read. */
const READS = /^(Describe|List|Get|Head|Query|Scan|BatchGet|Lookup|Verify|Search)/;
/** They write the log and tell people of it, or only get credentials: no acts on suspect or evidence. */
const NOT_EVIDENCE = new Set(['dynamodb', 'sns', 'sts']);

interface Stack {
  add(
    middleware: (
      next: (args: never) => Promise<{ output: unknown }>,
      context: { clientName?: string; commandName?: string },
    ) => (args: never) => Promise<{ output: unknown }>,
    options: { step: 'initialize'; name: string; priority: 'low' },
  ): void;
}

const requestIdOf = (answer: unknown): string | undefined =>
  typeof answer === 'object' && answer !== null && '$metadata' in answer
    ? (answer.$metadata as { requestId?: string }).requestId
    : undefined;

/** Lets a client of the AWS SDK tell every answered call that changes something to the step that makes it, refused ones too. */
export function noteCalls(stack: Stack, accountId: string, principal: string): void {
  stack.add(
    (next, { clientName = '', commandName = '' }) => {
      const service = clientName.replace(/Client$/, '').toLowerCase();
      const action = commandName.replace(/Command$/, '');
      if (READS.test(action) || NOT_EVIDENCE.has(service)) return next;
      const note = (requestId: string | undefined, error?: string): void => {
        const call = `${service}:${action}`;
        if (requestId !== undefined)
          noteAwsCall({ call, requestId, accountId, ...(error !== undefined && { error }) }, principal);
      };
      return async (args) => {
        try {
          const result = await next(args);
          note(requestIdOf(result.output));
          return result;
        } catch (error) {
          note(requestIdOf(error), error instanceof Error ? error.name : 'unknown');
          throw error;
        }
      };
    },
    { step: 'initialize', name: 'noteCalls', priority: 'low' },
  );
}
