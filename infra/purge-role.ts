import {
  CreateRoleCommand,
  type IAMClient,
  PutRolePolicyCommand,
  UpdateAssumeRolePolicyCommand,
} from '@aws-sdk/client-iam';
import { unlessThere } from './ensure';
import { policy, type PolicyDocument } from './role-policies';

export const PURGE_ROLE = 'ForensicsPurge';

export interface PurgeRoleSettings {
  region: string;
  evidenceBucket: string;
  /** Principal that workers run as. */
  workerPrincipalArn: string;
}

/**
 * The one role that may delete evidence. It may neither lift a lock or a hold nor bypass a retention, so that AWS itself refuses
 * whatever comes before its time; and the worker narrows each session to one case.
 */
export const purgePolicy = ({
  region,
  evidenceBucket,
}: Omit<PurgeRoleSettings, 'workerPrincipalArn'>): PolicyDocument =>
  policy(
    {
      Sid: 'DeleteEvidence',
      Effect: 'Allow',
      Action: ['s3:DeleteObjectVersion'],
      Resource: [`arn:aws:s3:::${evidenceBucket}/cases/*`],
    },
    {
      Sid: 'DeleteDisks',
      Effect: 'Allow',
      Action: ['ec2:DeleteSnapshot'],
      Resource: [`arn:aws:ec2:${region}::snapshot/*`],
      Condition: { Null: { 'aws:ResourceTag/forensics:case': 'false' } },
    },
    {
      Sid: 'NeverBeforeTheirTime',
      Effect: 'Deny',
      Action: ['ec2:UnlockSnapshot', 's3:BypassGovernanceRetention', 's3:PutObjectLegalHold', 's3:PutObjectRetention'],
      Resource: ['*'],
    },
  );

/** Makes the role in the forensics account, or brings it to what is asked. Idempotent. Returns its name. */
export async function setUpPurgeRole(iam: IAMClient, settings: PurgeRoleSettings): Promise<string> {
  const RoleName = PURGE_ROLE;
  const trust = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { AWS: settings.workerPrincipalArn }, Action: 'sts:AssumeRole' }],
  });
  const made = await unlessThere(
    () =>
      iam.send(
        new CreateRoleCommand({
          RoleName,
          AssumeRolePolicyDocument: trust,
          Description: 'ec2-forensics: purge of evidence after its retention',
          MaxSessionDuration: 3600,
        }),
      ),
    'EntityAlreadyExistsException',
  );
  if (made === 'there') await iam.send(new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument: trust }));
  await iam.send(
    new PutRolePolicyCommand({
      RoleName,
      PolicyName: 'ec2-forensics',
      PolicyDocument: JSON.stringify(purgePolicy(settings)),
    }),
  );
  return RoleName;
}
