import { AssumeRoleCommand, type AssumeRoleCommandInput, GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { DescribeVolumesCommand, DescribeVpcsCommand } from '@aws-sdk/client-ec2';
import type { Account } from './account';
import { documented } from './documented';
import { policyDocument, type PolicyStatement } from './resources';
import { target } from './target';
import { outcome, untilAccepted, untilOutcome } from './waiting';

const READ_EC2: PolicyStatement = {
  Effect: 'Allow',
  Action: ['ec2:DescribeVpcs', 'ec2:DescribeVolumes'],
  Resource: '*',
};

const trusting = (account: Account, Condition?: PolicyStatement['Condition']): PolicyStatement => ({
  Effect: 'Allow',
  Principal: { AWS: account.rootArn },
  Action: 'sts:AssumeRole',
  ...(Condition && { Condition }),
});

const assume = (caller: Account, RoleArn: string, options: Partial<AssumeRoleCommandInput> = {}) =>
  caller.sts.send(new AssumeRoleCommand({ RoleArn, RoleSessionName: 'contract', ...options }));

/** A role of the forensics account that may assume roles: where a chain begins. */
const firstRole = async (): Promise<{ arn: string; account: Account }> => {
  const { forensics, resources } = target();
  const { arn } = await resources.role(forensics, {
    trust: trusting(forensics),
    policy: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Resource: '*' }],
    maxSessionSeconds: 43_200,
  });
  return { arn, account: await resources.assumed(forensics, forensics, arn) };
};

describe('AWS STS', () => {
  documented(
    'AWS STS API Reference: AssumeRole',
    'returns a set of temporary security credentials; the ARN and ID include the RoleSessionName that you specified',
    async () => {
      const { member, forensics, resources } = target();
      const { name, arn } = await resources.role(member, { trust: trusting(forensics) });
      const answer = await untilAccepted(() => assume(forensics, arn));
      const session = `arn:aws:sts::${member.accountId}:assumed-role/${name}/contract`;
      expect(answer.AssumedRoleUser!.Arn).toBe(session);
      expect(answer.Credentials!.Expiration!.getTime()).toBeGreaterThan(Date.now());
      const assumed = await resources.assumed(member, forensics, arn);
      const identity = await assumed.sts.send(new GetCallerIdentityCommand({}));
      expect([identity.Account, identity.Arn]).toEqual([member.accountId, session]);
    },
  );

  documented(
    'AWS STS API Reference: GetCallerIdentity',
    'returns details about the IAM user or role whose credentials are used to call the operation; no permissions are required',
    async () => {
      const { forensics, resources } = target();
      const { arn } = await resources.role(forensics, {
        trust: trusting(forensics),
        policy: [{ Effect: 'Deny', Action: 'sts:GetCallerIdentity', Resource: '*' }],
      });
      const assumed = await resources.assumed(forensics, forensics, arn);
      const { Account, Arn } = await assumed.sts.send(new GetCallerIdentityCommand({}));
      expect(Account).toBe(forensics.accountId);
      expect(Arn).toMatch(/^arn:aws:sts::\d{12}:assumed-role\/[^/]+\/[^/]+$/);
    },
  );

  documented(
    'IAM User Guide: Access to AWS accounts owned by third parties',
    'sts:ExternalId: the role can be assumed only with the external ID that the trust policy’s condition names',
    async () => {
      const { member, forensics, resources } = target();
      const { arn } = await resources.role(member, {
        trust: trusting(forensics, { StringEquals: { 'sts:ExternalId': 'case-4711' } }),
      });
      await untilOutcome('accepted', () => assume(forensics, arn, { ExternalId: 'case-4711' }));
      expect(await outcome(assume(forensics, arn))).toBe('AccessDenied');
      expect(await outcome(assume(forensics, arn, { ExternalId: 'another' }))).toBe('AccessDenied');
    },
  );

  documented(
    'AWS STS API Reference: AssumeRole',
    'to assume a role from a different account, your account must be trusted by the role',
    async () => {
      const { member, forensics, resources } = target();
      const { arn } = await resources.role(member, { trust: trusting(member) });
      await untilOutcome('accepted', () => assume(member, arn));
      expect(await outcome(assume(forensics, arn))).toBe('AccessDenied');
      expect(await outcome(assume(forensics, `${arn}-that-is-not-there`))).toBe('AccessDenied');
    },
  );

  documented(
    'AWS STS API Reference: AssumeRole',
    'role chaining limits your session to a maximum of one hour; with a DurationSeconds parameter value greater than one hour, the operation fails',
    async () => {
      const { member, resources } = target();
      const { account: chained, arn: first } = await firstRole();
      const { arn } = await resources.role(member, {
        trust: { ...trusting(chained), Principal: { AWS: first } },
        maxSessionSeconds: 43_200,
      });
      const answer = await untilAccepted(() => assume(chained, arn, { DurationSeconds: 3600 }));
      const seconds = (answer.Credentials!.Expiration!.getTime() - Date.now()) / 1000;
      expect(seconds).toBeLessThanOrEqual(3600);
      expect(await outcome(assume(chained, arn, { DurationSeconds: 3601 }))).toBe('ValidationError');
    },
  );

  documented(
    'AWS STS API Reference: AssumeRole',
    'DurationSeconds: from 900 seconds up to the maximum session duration setting for the role; if you specify a value higher, the operation fails',
    async () => {
      const { member, forensics, resources } = target();
      const { arn } = await resources.role(member, { trust: trusting(forensics), maxSessionSeconds: 3600 });
      await untilOutcome('accepted', () => assume(forensics, arn, { DurationSeconds: 900 }));
      expect(await outcome(assume(forensics, arn, { DurationSeconds: 3601 }))).toBe('ValidationError');
      expect(await outcome(assume(forensics, arn, { DurationSeconds: 899 }))).toBe('ValidationError');
    },
  );

  documented(
    'AWS STS API Reference: AssumeRole',
    'RoleSessionName: upper- and lower-case alphanumeric characters with no spaces, and any of =,.@-; 2 to 64 characters',
    async () => {
      const { member, forensics, resources } = target();
      const { arn } = await resources.role(member, { trust: trusting(forensics) });
      await untilOutcome('accepted', () => assume(forensics, arn, { RoleSessionName: 'case=4711,a.b@c-d_e' }));
      for (const RoleSessionName of ['a b', 'x', 'a'.repeat(65)]) {
        expect(await outcome(assume(forensics, arn, { RoleSessionName }))).toBe('ValidationError');
      }
    },
  );

  documented(
    'AWS STS API Reference: AssumeRole',
    'Policy: the resulting session’s permissions are the intersection of the role’s identity-based policy and the session policies',
    async () => {
      const { member, forensics, resources } = target();
      const { arn } = await resources.role(member, { trust: trusting(forensics), policy: [READ_EC2] });
      const Policy = policyDocument({
        Effect: 'Allow',
        Action: ['ec2:DescribeVpcs', 'ec2:DescribeSnapshots'],
        Resource: '*',
      });
      const whole = await resources.assumed(member, forensics, arn);
      const part = await resources.assumed(member, forensics, arn, { Policy });
      const volumes = (account: Account) => account.ec2.send(new DescribeVolumesCommand({ MaxResults: 5 }));
      await untilOutcome('accepted', () => volumes(whole));
      await untilOutcome('accepted', () => part.ec2.send(new DescribeVpcsCommand({})));
      expect(await outcome(volumes(part))).toBe('UnauthorizedOperation');
    },
  );

  documented(
    'AWS STS API Reference: AssumeRole',
    'to assume a role in another account, the user must also have an identity-based policy that allows sts:AssumeRole',
    async () => {
      const { member, forensics, resources } = target();
      const { arn } = await resources.role(member, { trust: trusting(forensics) });
      await untilOutcome('accepted', () => assume(forensics, arn));
      const powerless = await resources.role(forensics, { trust: trusting(forensics), policy: [READ_EC2] });
      const caller = await resources.assumed(forensics, forensics, powerless.arn);
      expect(await outcome(assume(caller, arn))).toBe('AccessDenied');
    },
  );
});
