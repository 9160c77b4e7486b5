/**
 * The Lambda function behind an EventBridge rule for GuardDuty findings. A malformed event is answered; an unreachable Temporal
 * server is thrown, so that Lambda retries; set an on-failure destination on the function for what is left after that.
 */
import type { Client } from '@temporalio/client';
import { caseRequestFrom } from './intake';
import { readEvent, type RefusedEvent, sharedClient } from './lambda-handler';
import { type StartedCase, startCase } from './start-case';

export type LambdaAnswer = ({ accepted: true } & StartedCase) | RefusedEvent;

export function createHandler(
  connect: () => Promise<Client> = sharedClient,
  now: () => Date = () => new Date(),
): (event: unknown) => Promise<LambdaAnswer> {
  return async (event) => {
    const read = readEvent(() => caseRequestFrom(event, now().toISOString()));
    if ('accepted' in read) return read;
    const temporal = await connect();
    return { accepted: true, ...(await startCase(temporal, read.read)) };
  };
}

export const handler = createHandler();
