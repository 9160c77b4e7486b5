/**
 * The product's worker as a process that loads everything at once and starts when a line comes in: a worker that takes over
 * from a killed one is then there at once. Nothing of it differs from workers/main.ts in how it works.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import { loadConfig } from '../../workers/config';
import { createWorker } from '../../workers/create-worker';

async function main(): Promise<void> {
  const config = loadConfig();
  const workflowBundle = { code: readFileSync(process.env.FAULTS_WORKFLOW_BUNDLE ?? '', 'utf8'), sourceMap: '' };
  Runtime.install({ logger: new DefaultLogger('INFO'), shutdownSignals: [] });
  console.log('worker loaded');
  const orders = createInterface(process.stdin);
  // Whoever started it is gone, and so is the reason to run.
  orders.once('close', () => process.exit());
  await new Promise<void>((resolve) => orders.once('line', () => resolve()));
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig();
  const connection = await NativeConnection.connect(connectionOptions);
  const worker = await createWorker({ connection, namespace, config, workflowBundle });
  console.log('worker ready');
  await worker.run();
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
