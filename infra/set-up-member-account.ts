import {
  CreateRoleCommand,
  type IAMClient,
  PutRolePolicyCommand,
  UpdateAssumeRolePolicyCommand,
} from '@aws-sdk/client-iam';
import {
  CreateAliasCommand,
  CreateKeyCommand,
  DescribeKeyCommand,
  type KMSClient,
  NotFoundException,
  PutKeyPolicyCommand,
} from '@aws-sdk/client-kms';
import type { MemberRoles } from '../activities/config';
import { unlessThere } from './ensure';
import {
  acquirePolicy,
  containPolicy,
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
 * What a member account needs before an incident: three roles that the forensics account may assume and one key whose
 * snapshots it may copy. Idempotent. Nothing here is changed during an incident.
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
  return {
    sharingKeyArn: await ensureKey(
      clients.kms,
      settings.sharingKeyAlias,
      'ec2-forensics: snapshots on their way',
      sharingKeyPolicy(settings),
    ),
  };
}

/** The key behind an alias, made when there is none; its policy is brought to what is asked. */
export async function ensureKey(kms: KMSClient, alias: string, description: string, policy?: object): Promise<string> {
  const Policy = policy && JSON.stringify(policy);
  try {
    const found = await kms.send(new DescribeKeyCommand({ KeyId: alias }));
    const arn = found.KeyMetadata?.Arn ?? '';
    if (Policy) await kms.send(new PutKeyPolicyCommand({ KeyId: arn, PolicyName: 'default', Policy }));
    return arn;
  } catch (error) {
    if (!(error instanceof NotFoundException)) throw error;
  }
  const made = await kms.send(new CreateKeyCommand({ Description: description, ...(Policy && { Policy }) }));
  const keyId = made.KeyMetadata?.KeyId ?? '';
  await kms.send(new CreateAliasCommand({ AliasName: alias, TargetKeyId: keyId }));
  return made.KeyMetadata?.Arn ?? '';
}
