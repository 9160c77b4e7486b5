import fs from 'node:fs';
import path from 'node:path';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { sharedFolder } from './shared-server';

export const WORKFLOWS_PATH = path.resolve(__dirname, '../../../workflows/index.ts');

/** The workflows as a worker loads them; made by the first test file of a run that asks. */
export async function workflowBundle(): Promise<{ codePath: string }> {
  const codePath = path.join(sharedFolder(), 'workflows.js');
  if (!fs.existsSync(codePath)) {
    const { code } = await bundleWorkflowCode({
      workflowsPath: WORKFLOWS_PATH,
      logger: new DefaultLogger('ERROR', () => undefined),
    });
    // Two files may make it at once: each puts a whole one in its place.
    fs.writeFileSync(`${codePath}.${process.pid}`, code);
    fs.renameSync(`${codePath}.${process.pid}`, codePath);
  }
  return { codePath };
}
