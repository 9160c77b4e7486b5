/**
 * The Lambda function behind an EventBridge rule for GuardDuty findings. A malformed event is answered, not thrown:
 * EventBridge would deliver it twice more, and it would be as malformed then. An unreachable Temporal server is thrown, so
 * that Lambda retries; set an on-failure destination on the function for what is left after that.
 */
import type { Client } from '@temporalio/client';
import { caseRequestFrom, MalformedEventError } from './intake';
import { type StartedCase, startCase } from './start-case';
import { connectToTemporal } from './temporal-client';

export type LambdaAnswer = ({ accepted: true } & StartedCase) | { accepted: false; problems: string[] };

let client: Promise<Client> | undefined;

/** One connection for the life of the execution environment; a failed attempt is not kept. */
function sharedClient(): Promise<Client> {
  client ??= connectToTemporal().catch((error: unknown) => {
    client = undefined;
    throw error;
  });
  return client;
}

export function createHandler(
  connect: () => Promise<Client> = sharedClient,
  now: () => Date = () => new Date(),
): (event: unknown) => Promise<LambdaAnswer> {
  return async (event) => {
    let request;
    try {
      request = caseRequestFrom(event, now().toISOString());
    } catch (error) {
      if (!(error instanceof MalformedEventError)) throw error;
      console.error(JSON.stringify({ level: 'error', message: error.message, problems: error.problems }));
      return { accepted: false, problems: error.problems };
    }
    const temporal = await connect();
    return { accepted: true, ...(await startCase(temporal, request)) };
  };
}

export const handler = createHandler();
