import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';

/** Milliseconds; a responder should hear within seconds that the server is not there. */
const CONNECT_TIMEOUT = 5_000;

/** The Temporal server could not be reached; the message says where it was looked for. */
export class TemporalUnreachableError extends Error {
  override readonly name = 'TemporalUnreachableError';
}

/**
 * Connects by Temporal's own environment configuration (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY,
 * TEMPORAL_TLS_*, or a profile in temporal.toml).
 */
export async function connectToTemporal(): Promise<Client> {
  const { connectionOptions, namespace } = loadClientConnectConfig();
  try {
    const connection = await Connection.connect({ ...connectionOptions, connectTimeout: CONNECT_TIMEOUT });
    return new Client({ connection, namespace: namespace ?? 'default' });
  } catch (error) {
    const address = connectionOptions.address ?? 'localhost:7233';
    throw new TemporalUnreachableError(
      `no Temporal server answers at ${address}: start one (npm run -s forensics -- lab up) or set TEMPORAL_ADDRESS`,
      { cause: error },
    );
  }
}
