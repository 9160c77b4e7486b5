import type { Client } from '@temporalio/client';
import { MalformedEventError } from './intake';
import { connectToTemporal } from './temporal-client';

export interface RefusedEvent {
  accepted: false;
  problems: string[];
}

let client: Promise<Client> | undefined;

/** One connection for the life of the execution environment; a failed attempt is not kept. */
export function sharedClient(): Promise<Client> {
  client ??= connectToTemporal().catch((error: unknown) => {
    client = undefined;
    throw error;
  });
  return client;
}

/**
 * What an event says, or why it says nothing. A malformed event is answered, not thrown: EventBridge would deliver it twice more,
 * and it would be as malformed then.
 */
export function readEvent<Read>(read: () => Read): { read: Read } | RefusedEvent {
  try {
    return { read: read() };
  } catch (error) {
    if (!(error instanceof MalformedEventError)) throw error;
    console.error(JSON.stringify({ level: 'error', message: error.message, problems: error.problems }));
    return { accepted: false, problems: error.problems };
  }
}
