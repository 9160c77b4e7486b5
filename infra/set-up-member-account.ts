import {
  AddRoleToInstanceProfileCommand,
  CreateInstanceProfileCommand,
  CreateRoleCommand,
  type IAMClient,
  PutRolePolicyCommand,
  UpdateAssumeRolePolicyCommand,
} from '@aws-sdk/client-iam';
import {
  CreateAliasCommand,
  CreateKeyCommand,
  DescribeKeyCommand,
  type KeySpec,
  type KMSClient,
  NotFoundException,
  PutKeyPolicyCommand,
} from '@aws-sdk/client-kms';
import type { MemberRoles } from '../activities/config';
import { type ContainmentMode, ISOLATION_PROFILES } from '../domain/containment';
import { unlessThere } from './ensure';
import {
  acquirePolicy,
  containPolicy,
  INSTANCE_TRUST,
  isolatedInstancePolicy,
  type PolicyScope,
  sharingKeyPolicy,
  triagePolicy,
  trustPolicy,
} from './role-policies';

export interface MemberAccountSettings extends PolicyScope {
  /** Principal of the forensics account that workers run as. */
  workerPrincipalArn: string;
  externalId: string;
  sharingKeyAlias: string;
}

export const MEMBER_ROLES: MemberRoles = {
  triage: 'ForensicsTriage',
  acquire: 'ForensicsAcquire',
  contain: 'ForensicsContain',
};

/**
 * What a member account needs before an incident: three roles that the forensics account may assume, two instance profiles
 * for isolated instances, and one key whose snapshots the forensics account may copy. Idempotent. Nothing here is changed during an incident.
 */
export async function setUpMemberAccount(
  clients: { iam: IAMClient; kms: KMSClient },
  settings: MemberAccountSettings,
): Promise<{ sharingKeyArn: string }> {
  const trust = JSON.stringify(trustPolicy(settings.workerPrincipalArn, settings.externalId));
  const policies = { triage: triagePolicy, acquire: acquirePolicy, contain: containPolicy };
  for (const purpose of Object.keys(policies) as (keyof MemberRoles)[]) {
    const RoleName = MEMBER_ROLES[purpose];
    const made = await unlessThere(
      () =>
        clients.iam.send(
          new CreateRoleCommand({
            RoleName,
            AssumeRolePolicyDocument: trust,
            Description: `ec2-forensics: ${purpose}`,
            MaxSessionDuration: 3600,
          }),
        ),
      'EntityAlreadyExistsException',
    );
    if (made === 'there')
      await clients.iam.send(new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument: trust }));
    await clients.iam.send(
      new PutRolePolicyCommand({
        RoleName,
        PolicyName: 'ec2-forensics',
        PolicyDocument: JSON.stringify(policies[purpose](settings)),
      }),
    );
  }
  for (const mode of Object.keys(ISOLATION_PROFILES) as ContainmentMode[])
    await ensureIsolationProfile(clients.iam, mode);
  return {
    sharingKeyArn: await ensureKey(clients.kms, settings.sharingKeyAlias, 'ec2-forensics: snapshots on their way', {
      policy: sharingKeyPolicy(settings),
    }),
  };
}

export interface KeySettings {
  /** The key's policy is brought to this; without it a new key gets KMS's default one. */
  policy?: object;
  /** An asymmetric key for signatures, of this spec; without it a symmetric key for encryption. */
  signs?: KeySpec;
}

/** The role and the instance profile, of one name, that an isolated instance gets. */
async function ensureIsolationProfile(iam: IAMClient, mode: ContainmentMode): Promise<void> {
  const name = ISOLATION_PROFILES[mode];
  await unlessThere(
    () =>
      iam.send(
        new CreateRoleCommand({
          RoleName: name,
          AssumeRolePolicyDocument: JSON.stringify(INSTANCE_TRUST),
          Description: `ec2-forensics: role of an isolated instance (${mode})`,
        }),
      ),
    'EntityAlreadyExistsException',
  );
  await iam.send(
    new PutRolePolicyCommand({
      RoleName: name,
      PolicyName: 'ec2-forensics',
      PolicyDocument: JSON.stringify(isolatedInstancePolicy(mode)),
    }),
  );
  await unlessThere(
    () => iam.send(new CreateInstanceProfileCommand({ InstanceProfileName: name })),
    'EntityAlreadyExistsException',
  );
  // A profile holds one role: another one of any name is refused.
  await unlessThere(
    () => iam.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName: name, RoleName: name })),
    'LimitExceededException',
  );
}

/** The key behind an alias, made when there is none. */
export async function ensureKey(
  kms: KMSClient,
  alias: string,
  description: string,
  { policy, signs }: KeySettings = {},
): Promise<string> {
  const Policy = policy && JSON.stringify(policy);
  try {
    const found = await kms.send(new DescribeKeyCommand({ KeyId: alias }));
    const arn = found.KeyMetadata?.Arn ?? '';
    if (Policy) await kms.send(new PutKeyPolicyCommand({ KeyId: arn, PolicyName: 'default', Policy }));
    return arn;
  } catch (error) {
    if (!(error instanceof NotFoundException)) throw error;
  }
  const made = await kms.send(
    new CreateKeyCommand({
      Description: description,
      ...(Policy && { Policy }),
      ...(signs && { KeySpec: signs, KeyUsage: 'SIGN_VERIFY' }),
    }),
  );
  const keyId = made.KeyMetadata?.KeyId ?? '';
  await kms.send(new CreateAliasCommand({ AliasName: alias, TargetKeyId: keyId }));
  return made.KeyMetadata?.Arn ?? '';
}
