import {
  CreateSnapshotCommand,
  CreateTagsCommand,
  DescribeVolumesCommand,
  DescribeVpcsCommand,
} from '@aws-sdk/client-ec2';
import { CreateRoleCommand, PutRolePolicyCommand, UpdateAssumeRolePolicyCommand } from '@aws-sdk/client-iam';
import { DescribeInstanceInformationCommand } from '@aws-sdk/client-ssm';
import { AssumeRoleCommand } from '@aws-sdk/client-sts';
import type { Account } from './account';
import { differsInLab, documented } from './documented';
import { policyDocument, type PolicyStatement } from './resources';
import { target } from './target';
import { outcome, untilOutcome } from './waiting';

const trusting = (account: Account): PolicyStatement => ({
  Effect: 'Allow',
  Principal: { AWS: account.rootArn },
  Action: 'sts:AssumeRole',
});
const allow = (
  Action: string | string[],
  Resource = '*',
  Condition?: PolicyStatement['Condition'],
): PolicyStatement => ({
  Effect: 'Allow',
  Action,
  Resource,
  ...(Condition && { Condition }),
});

/** A role of the member account and its clients. */
const roleWith = async (...policy: PolicyStatement[]): Promise<{ name: string; account: Account }> => {
  const { member, resources } = target();
  const { name, arn } = await resources.role(member, {
    trust: trusting(member),
    ...(policy.length > 0 && { policy }),
  });
  return { name, account: await resources.assumed(member, member, arn) };
};
const vpcs = (account: Account) => account.ec2.send(new DescribeVpcsCommand({}));
const volumes = (account: Account) => account.ec2.send(new DescribeVolumesCommand({ MaxResults: 5 }));

describe('IAM', () => {
  documented(
    'IAM API Reference: CreateRole',
    'EntityAlreadyExists: it attempted to create a resource that already exists',
    async () => {
      const { member, resources } = target();
      const { name: RoleName } = await resources.role(member, { trust: trusting(member) });
      const again = new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: policyDocument(trusting(member)) });
      expect(await outcome(member.iam.send(again))).toBe('EntityAlreadyExistsException');
    },
  );

  documented(
    'IAM API Reference: CreateRole',
    'MalformedPolicyDocument: the policy document was malformed',
    async () => {
      const { member, resources } = target();
      const create = (AssumeRolePolicyDocument: string) =>
        outcome(member.iam.send(new CreateRoleCommand({ RoleName: resources.name(), AssumeRolePolicyDocument })));
      expect(await create('{"Version": "1999"}')).toBe('MalformedPolicyDocumentException');
      expect(await create('no policy')).toBe('MalformedPolicyDocumentException');
      const onResource = policyDocument({ ...trusting(member), Resource: '*' });
      expect(await create(onResource)).toBe('MalformedPolicyDocumentException');
    },
  );

  differsInLab(
    'IAM User Guide: AWS JSON policy elements: Principal',
    'a principal of a trust policy must exist: a policy that names another one is not saved',
    async () => {
      const { member, resources } = target();
      const absent = `arn:aws:iam::${member.accountId}:role/${resources.name()}`;
      const role = new CreateRoleCommand({
        RoleName: resources.name(),
        AssumeRolePolicyDocument: policyDocument({ ...trusting(member), Principal: { AWS: absent } }),
      });
      // Nothing is to be deleted: AWS makes no role, and the lab's role goes with the lab.
      expect(await outcome(member.iam.send(role))).toBe('MalformedPolicyDocumentException');
    },
  );

  documented(
    'IAM API Reference: PutRolePolicy',
    'adds or updates an inline policy document that is embedded in the specified IAM role',
    async () => {
      const { member } = target();
      const { name: RoleName, account } = await roleWith(allow('ec2:DescribeVpcs'));
      await untilOutcome('accepted', () => vpcs(account));
      expect(await outcome(volumes(account))).toBe('UnauthorizedOperation');
      await member.iam.send(
        new PutRolePolicyCommand({
          RoleName,
          PolicyName: 'contract',
          PolicyDocument: policyDocument(allow('ec2:DescribeVolumes')),
        }),
      );
      await untilOutcome('accepted', () => volumes(account));
      await untilOutcome('UnauthorizedOperation', () => vpcs(account));
    },
  );

  documented(
    'IAM API Reference: UpdateAssumeRolePolicy',
    'updates the policy that grants an IAM entity permission to assume a role',
    async () => {
      const { member, forensics, resources } = target();
      const { name: RoleName, arn: RoleArn } = await resources.role(member, { trust: trusting(member) });
      const assume = (caller: Account) =>
        caller.sts.send(new AssumeRoleCommand({ RoleArn, RoleSessionName: 'contract' }));
      await untilOutcome('accepted', () => assume(member));
      expect(await outcome(assume(forensics))).toBe('AccessDenied');
      await member.iam.send(
        new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument: policyDocument(trusting(forensics)) }),
      );
      await untilOutcome('accepted', () => assume(forensics));
    },
  );

  documented(
    'IAM User Guide: Policy evaluation logic',
    'by default, all requests are implicitly denied; an explicit deny in any policy overrides any allows',
    async () => {
      const { member, resources } = target();
      const { name, account } = await roleWith();
      expect(await outcome(vpcs(account))).toBe('UnauthorizedOperation');
      await resources.rolePolicy(member, name, allow('ec2:Describe*'));
      await untilOutcome('accepted', () => vpcs(account));
      await resources.rolePolicy(member, name, allow('ec2:Describe*'), {
        Effect: 'Deny',
        Action: 'ec2:DescribeVpcs',
        Resource: '*',
      });
      await untilOutcome('UnauthorizedOperation', () => vpcs(account));
      expect(await outcome(volumes(account))).toBe('accepted');
    },
  );

  documented(
    'IAM User Guide: IAM JSON policy elements: Resource',
    'the statement applies to the resources that its ARNs name',
    async () => {
      const { member, resources, zones, region } = target();
      const [one, other] = [
        (await resources.volume(member, { AvailabilityZone: zones[0] })).VolumeId!,
        (await resources.volume(member, { AvailabilityZone: zones[0] })).VolumeId!,
      ];
      const { account } = await roleWith(
        allow('ec2:CreateTags', `arn:aws:ec2:${region}:${member.accountId}:volume/${one}`),
      );
      const tag = (id: string) =>
        account.ec2.send(new CreateTagsCommand({ Resources: [id], Tags: [{ Key: 'seen', Value: 'yes' }] }));
      await untilOutcome('accepted', () => tag(one));
      expect(await outcome(tag(other))).toBe('UnauthorizedOperation');
    },
  );

  documented(
    'IAM User Guide: IAM JSON policy elements: Condition',
    'the Allow takes effect only when the condition is met: here aws:ResourceTag',
    async () => {
      const { member, resources, zones } = target();
      const volume = async (Value: string) =>
        (
          await resources.volume(member, {
            AvailabilityZone: zones[0],
            TagSpecifications: [{ ResourceType: 'volume', Tags: [...resources.tags(), { Key: 'stage', Value }] }],
          })
        ).VolumeId!;
      const [test, live] = [await volume('test'), await volume('live')];
      const { account } = await roleWith(
        allow('ec2:CreateTags', '*', { StringEquals: { 'aws:ResourceTag/stage': 'test' } }),
      );
      const tag = (id: string) =>
        account.ec2.send(new CreateTagsCommand({ Resources: [id], Tags: [{ Key: 'seen', Value: 'yes' }] }));
      await untilOutcome('accepted', () => tag(test));
      expect(await outcome(tag(live))).toBe('UnauthorizedOperation');
    },
  );

  documented(
    'IAM User Guide: Revoke IAM role temporary security credentials',
    'AWSRevokeOlderSessions denies all actions to sessions whose aws:TokenIssueTime is earlier than the policy says, and to no others',
    async () => {
      const { member, resources } = target();
      const { name, account } = await roleWith(allow('ec2:DescribeVpcs'));
      await untilOutcome('accepted', () => vpcs(account));
      const revoke = (before: Date): Promise<void> =>
        resources.rolePolicy(member, name, allow('ec2:DescribeVpcs'), {
          Effect: 'Deny',
          Action: '*',
          Resource: '*',
          Condition: { DateLessThan: { 'aws:TokenIssueTime': before.toISOString() } },
        });
      await revoke(new Date(Date.now() - 86_400_000));
      expect(await outcome(vpcs(account))).toBe('accepted');
      await revoke(new Date(Date.now() + 60_000));
      await untilOutcome('UnauthorizedOperation', () => vpcs(account));
    },
  );

  documented(
    'Amazon EC2 API Reference: CreateSnapshot',
    'tagging on creation needs permission for ec2:CreateTags as well',
    async () => {
      const { member, resources, zones } = target();
      const { VolumeId } = await resources.volume(member, { AvailabilityZone: zones[0] });
      const { account } = await roleWith(allow('ec2:CreateSnapshot'));
      const create = async (tagged: boolean): Promise<void> => {
        const { SnapshotId } = await account.ec2.send(
          new CreateSnapshotCommand({ VolumeId, ...(tagged && { TagSpecifications: resources.tagged('snapshot') }) }),
        );
        resources.endSnapshot(member, SnapshotId!);
      };
      await untilOutcome('accepted', () => create(false));
      expect(await outcome(create(true))).toBe('UnauthorizedOperation');
    },
  );

  documented(
    'IAM User Guide: Troubleshoot access denied error messages',
    'the message has the form: User: <ARN> is not authorized to perform: <service:action>',
    async () => {
      const { account } = await roleWith(allow('ec2:DescribeVpcs'));
      await untilOutcome('accepted', () => vpcs(account));
      const denied = account.ssm.send(new DescribeInstanceInformationCommand({}));
      await expect(denied).rejects.toMatchObject({
        name: 'AccessDeniedException',
        message: expect.stringMatching(
          /^User: arn:aws:sts::\d{12}:assumed-role\/\S+ is not authorized to perform: ssm:DescribeInstanceInformation/,
        ),
      });
    },
  );
});
