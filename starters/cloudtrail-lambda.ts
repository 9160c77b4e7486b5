/**
 * The Lambda function behind EventBridge rules for calls that work on evidence (detail-type "AWS API Call via CloudTrail"; the
 * event names are those of domain/evidence-threat.ts). CloudTrail must log management events, and data events of the evidence bucket
 * for calls on single objects. As with findings: malformed events are answered, an unreachable Temporal server is thrown.
 */
import type { Client } from '@temporalio/client';
import { readEvent, type RefusedEvent, sharedClient } from './lambda-handler';
import { startThreat } from './start-threat';
import { evidenceThreatFrom } from './threat-intake';

export type ThreatAnswer =
  | { accepted: true; workflowId: string; result: 'started' | 'already-handled' }
  | { accepted: true; result: 'no-threat' }
  | RefusedEvent;

export function createThreatHandler(
  connect: () => Promise<Client> = sharedClient,
): (event: unknown) => Promise<ThreatAnswer> {
  return async (event) => {
    const read = readEvent(() => evidenceThreatFrom(event));
    if ('accepted' in read) return read;
    if (!read.read) return { accepted: true, result: 'no-threat' };
    return { accepted: true, ...(await startThreat(await connect(), read.read)) };
  };
}

export const handler = createThreatHandler();
