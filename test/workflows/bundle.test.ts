import { isBuiltin } from 'node:module';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { WORKFLOWS_PATH } from './support/workflow-bundle';

/** Bytes. Each cached case holds a copy of what its code makes; libraries crept in unseen before (facts: zod trebled it). Of it 0.3 MiB are ours. */
const LARGEST = 2.8 * 1024 ** 2;

test('workflow code can be bundled, holds no Node built-in and no big library', async () => {
  const complaints: string[] = [];
  const logger = new DefaultLogger('WARN', (entry) => complaints.push(entry.message));
  const { code } = await bundleWorkflowCode({ workflowsPath: WORKFLOWS_PATH, logger });
  expect(complaints).toEqual([]);
  // What webpack leaves outside of the bundle is required by name; the SDK itself brings two stand-ins of its own.
  const required = [...code.matchAll(/require\("([^"]+)"\)/g)].map((match) => match[1] ?? '');
  expect(required.filter((name) => isBuiltin(name))).toEqual([]);
  for (const library of ['node_modules/zod', 'node_modules/@aws-sdk', 'node_modules/@temporalio/client']) {
    expect(code.includes(library)).toBe(false);
  }
  expect(code.length).toBeLessThan(LARGEST);
});
