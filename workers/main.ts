import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { loadEnvFile } from '../starters/env-file';
import { ConfigurationError, loadConfig } from './config';
import { createWorker } from './create-worker';
import { checkSearchAttributes } from './search-attributes';

async function main(): Promise<void> {
  loadEnvFile();
  const config = loadConfig();
  Runtime.install({ logger: new DefaultLogger('INFO'), shutdownSignals: ['SIGINT', 'SIGTERM'] });
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig();
  const connection = await NativeConnection.connect(connectionOptions);
  try {
    await checkSearchAttributes(connection, namespace);
    const worker = await createWorker({ connection, namespace, config });
    console.log(
      `worker ready: Region ${config.region}, forensics account ${config.forensicsAccountId}, queue ${worker.taskQueue}`,
    );
    await worker.run();
  } finally {
    await connection.close();
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof ConfigurationError ? error.message : error);
  process.exitCode = 1;
});
