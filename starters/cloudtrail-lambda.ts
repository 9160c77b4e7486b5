/**
 * The Lambda function behind EventBridge rules for calls that work on evidence (detail-type "AWS API Call via CloudTrail"; the
 * event names are those of domain/evidence-threat.ts). CloudTrail must log management events, and data events of the evidence bucket
 * for calls on single objects. As with findings: malformed events are answered, an unreachable Temporal server is thrown.
 */
import type { Client } from '@temporalio/client';
import { MalformedEventError } from './intake';
import { startThreat } from './start-threat';
import { connectToTemporal } from './temporal-client';
import { evidenceThreatFrom } from './threat-intake';

export type ThreatAnswer =
  | { accepted: true; workflowId: string; result: 'started' | 'already-handled' }
  | { accepted: true; result: 'no-threat' }
  | { accepted: false; problems: string[] };

let client: Promise<Client> | undefined;

/** One connection for the life of the execution environment; a failed attempt is not kept. */
function sharedClient(): Promise<Client> {
  client ??= connectToTemporal().catch((error: unknown) => {
    client = undefined;
    throw error;
  });
  return client;
}

export function createThreatHandler(
  connect: () => Promise<Client> = sharedClient,
): (event: unknown) => Promise<ThreatAnswer> {
  return async (event) => {
    let threat;
    try {
      threat = evidenceThreatFrom(event);
    } catch (error) {
      if (!(error instanceof MalformedEventError)) throw error;
      console.error(JSON.stringify({ level: 'error', message: error.message, problems: error.problems }));
      return { accepted: false, problems: error.problems };
    }
    if (!threat) return { accepted: true, result: 'no-threat' };
    return { accepted: true, ...(await startThreat(await connect(), threat)) };
  };
}

export const handler = createThreatHandler();
