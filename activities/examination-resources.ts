import { setTimeout as delay } from 'node:timers/promises';
import { cancellationSignal, heartbeat } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { DescribeInstancesCommand, type Instance } from '@aws-sdk/client-ec2';
import type { AccountClients, AwsClients } from './aws/clients';
import { awsCode, awsStep } from './aws/errors';
import { CASE_TAG, operationTags, ROLE_TAG } from './aws/idempotency';
import type { ForensicsConfig } from './config';

/** The exhibit that an instance or a volume was made for; with case and role it finds them again. */
export const EXHIBIT_TAG = 'forensics:exhibit';
const EXAMINATION_ROLE = 'examination';

const SHORT_WAIT_MS = 5 * 60_000;
const FIRST_POLL_MS = 100;
const SLOWEST_POLL_MS = 1_000;

export type Ec2 = AccountClients['ec2'];

/** Looks soon and then every second, with a heartbeat, for five minutes at most; then lets Temporal try again. */
export async function pollShortly(what: string, look: () => Promise<{ done: boolean; state: string }>): Promise<void> {
  const until = Date.now() + SHORT_WAIT_MS;
  let pause = FIRST_POLL_MS;
  for (;;) {
    const { done, state } = await look();
    if (done) return;
    if (Date.now() > until) {
      throw ApplicationFailure.create({ message: `${what}: still ${state} after five minutes`, type: 'Unavailable' });
    }
    heartbeat({ what, state });
    await delay(pause, undefined, { signal: cancellationSignal() }).catch(() => {
      throw new CancelledFailure(`waiting for ${what} was cancelled`);
    });
    pause = Math.min(SLOWEST_POLL_MS, pause * 2);
  }
}

/** Clients of the forensics account in the Region of the evidence, which is that of this worker. */
export function clientsOfEvidence(config: ForensicsConfig, clients: AwsClients, region: string): AccountClients {
  if (region === config.region) return clients.forensics();
  throw ApplicationFailure.nonRetryable(
    `evidence of ${region} is examined by the workers of that Region; this one serves ${config.region}`,
    'InvalidRequest',
  );
}

/** The tags of what is made for an exhibit's examination. */
export const tagsFor = (caseId: string, operation: string, exhibitId: string) =>
  operationTags(caseId, operation, {
    [EXHIBIT_TAG]: exhibitId,
    [ROLE_TAG]: EXAMINATION_ROLE,
    Name: `forensics ${exhibitId}`,
  });

/** The filter that finds it again. */
export const madeFor = (caseId: string, exhibitId: string) => [
  { Name: `tag:${CASE_TAG}`, Values: [caseId] },
  { Name: `tag:${EXHIBIT_TAG}`, Values: [exhibitId] },
  { Name: `tag:${ROLE_TAG}`, Values: [EXAMINATION_ROLE] },
];

export async function describeInstance(ec2: Ec2, instanceId: string): Promise<Instance | undefined> {
  try {
    const { Reservations } = await awsStep(`DescribeInstances of ${instanceId}`, (options) =>
      ec2.send(new DescribeInstancesCommand({ InstanceIds: [instanceId] }), options),
    );
    return Reservations?.[0]?.Instances?.[0];
  } catch (error) {
    if (awsCode(error) === 'InvalidInstanceID.NotFound') return undefined;
    throw error;
  }
}
