import { NodeHttpHandler } from '@smithy/node-http-handler';
import { ApplicationFailure } from '@temporalio/common';
import { AccountClients, type AwsClients } from './aws/clients';
import { assumedRoleCredentials, sessionName } from './aws/credentials';
import type { ForensicsConfig } from './config';

/**
 * Acts as the one role that may delete evidence, for one case. The worker's own role may not; this one cannot lift a lock or
 * bypass a retention, so that nothing is deleted before its time whoever asks. The session may delete of this case only.
 *
 * @throws ApplicationFailure `InvalidRequest` (final) when no such role is configured
 */
export async function asPurger<T>(
  { config, clients }: { config: ForensicsConfig; clients: AwsClients },
  caseId: string,
  run: (purger: AccountClients) => Promise<T>,
): Promise<T> {
  const { purgeRole, forensicsAccountId, region } = config;
  if (purgeRole === undefined) {
    throw ApplicationFailure.nonRetryable(
      'no role for purging is configured (purgeRole): nobody can delete evidence through this deployment',
      'InvalidRequest',
    );
  }
  const partition = config.evidenceKeyArn.split(':')[1] ?? 'aws';
  const session = sessionName(`purge-${caseId}`);
  const credentials = assumedRoleCredentials(() => clients.forensics().sts, {
    roleArn: `arn:${partition}:iam::${forensicsAccountId}:role/${purgeRole}`,
    sessionName: session,
    policy: JSON.stringify(sessionPolicy(partition, config, caseId)),
  });
  const requestHandler = new NodeHttpHandler();
  const purger = new AccountClients(
    forensicsAccountId,
    region,
    { requestHandler, forcePathStyle: process.env.AWS_S3_FORCE_PATH_STYLE === 'true' },
    `arn:${partition}:sts::${forensicsAccountId}:assumed-role/${purgeRole}/${session}`,
    credentials,
  );
  try {
    return await run(purger);
  } finally {
    requestHandler.destroy();
  }
}

function sessionPolicy(partition: string, { buckets, region }: ForensicsConfig, caseId: string) {
  return {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Action: ['s3:DeleteObjectVersion'],
        Resource: [`arn:${partition}:s3:::${buckets.evidence}/cases/${caseId}/*`],
      },
      {
        Effect: 'Allow',
        Action: ['ec2:DeleteSnapshot'],
        Resource: [`arn:${partition}:ec2:${region}::snapshot/*`],
        Condition: { StringEquals: { 'aws:ResourceTag/forensics:case': caseId } },
      },
    ],
  };
}
