import { DescribeAvailabilityZonesCommand } from '@aws-sdk/client-ec2';
import {
  AddRoleToInstanceProfileCommand,
  AttachRolePolicyCommand,
  CreateInstanceProfileCommand,
  DeleteInstanceProfileCommand,
  DetachRolePolicyCommand,
  RemoveRoleFromInstanceProfileCommand,
} from '@aws-sdk/client-iam';
import { GetParameterCommand } from '@aws-sdk/client-ssm';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { Account } from './account';
import { untilManaged } from './managed-node';
import { Resources } from './resources';
import type { AwsSettings } from './settings';
import type { ContractTarget } from './contract-target';
import { untilAccepted } from './waiting';

/** Amazon Linux 2023: its SSM agent is installed and starts by itself. */
const IMAGE_PARAMETER = '/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64';
const AGENT_POLICY = 'arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore';

/** The clients of one of the two accounts, before the account's number is known. */
export const awsAccount = ({ region, profiles }: AwsSettings, which: 'member' | 'forensics', accountId = ''): Account =>
  new Account(accountId, { region, profile: profiles[which] });

/** @throws Error when both profiles lead to one account. */
export function checkAccounts(memberId: string, forensicsId: string): void {
  if (memberId === forensicsId) {
    throw new Error(`both profiles are of account ${memberId}: the rules between accounts need two`);
  }
}

/** Two accounts of AWS. Not yet run on AWS by this project. */
export async function awsTarget(settings: AwsSettings): Promise<ContractTarget> {
  const [memberId, forensicsId] = await Promise.all(
    (['member', 'forensics'] as const).map(async (which) => {
      const account = awsAccount(settings, which);
      const { Account: id } = await account.sts.send(new GetCallerIdentityCommand({}));
      account.close();
      return id!;
    }),
  );
  checkAccounts(memberId!, forensicsId!);
  const member = awsAccount(settings, 'member', memberId);
  const forensics = awsAccount(settings, 'forensics', forensicsId);
  const { AvailabilityZones } = await member.ec2.send(
    new DescribeAvailabilityZonesCommand({ Filters: [{ Name: 'zone-type', Values: ['availability-zone'] }] }),
  );
  const [first, second] = AvailabilityZones!.map((zone) => zone.ZoneName!);
  const resources = new Resources({ pollMs: 3_000, disposable: false });
  let linux: Promise<string> | undefined;
  const imageId = async (): Promise<string> => {
    const { Parameter } = await member.ssm.send(new GetParameterCommand({ Name: IMAGE_PARAMETER }));
    return Parameter!.Value!;
  };
  const startLinux = async (): Promise<string> => {
    const profile = await instanceProfile(member, resources);
    const ImageId = await imageId();
    // EC2 learns of a new instance profile some seconds after IAM has it.
    const instance = await untilAccepted(() =>
      resources.instance(member, {
        ImageId,
        IamInstanceProfile: { Name: profile },
        ...(settings.subnetId !== undefined && { SubnetId: settings.subnetId }),
      }),
    );
    resources.keepInstance(instance.InstanceId!);
    await untilManaged(member, instance.InstanceId!);
    return instance.InstanceId!;
  };
  return {
    region: settings.region,
    zones: [first!, second!],
    member,
    forensics,
    resources,
    imageId,
    linuxInstance: () => (linux ??= startLinux()),
    // Amazon's own service that tells who asks; it is connected to, nothing is sent.
    outside: { host: 'checkip.amazonaws.com', port: 80 },
    filtersPackets: true,
    whilePending: (_kind, run) => run(),
    stop: async () => {
      try {
        await resources.drop();
      } finally {
        member.close();
        forensics.close();
      }
    },
  };
}

/** What the agent needs: Systems Manager, and PutObject for the test of output to S3. */
async function instanceProfile(member: Account, resources: Resources): Promise<string> {
  const role = await resources.role(member, {
    trust: { Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' },
    policy: [{ Effect: 'Allow', Action: ['s3:PutObject'], Resource: [`arn:aws:s3:::${resources.prefix}-*/*`] }],
  });
  await member.iam.send(new AttachRolePolicyCommand({ RoleName: role.name, PolicyArn: AGENT_POLICY }));
  resources.later(`policy of role ${role.name}`, () =>
    member.iam.send(new DetachRolePolicyCommand({ RoleName: role.name, PolicyArn: AGENT_POLICY })),
  );
  const InstanceProfileName = role.name;
  await member.iam.send(new CreateInstanceProfileCommand({ InstanceProfileName, Tags: resources.tags() }));
  resources.later(`instance profile ${role.name}`, () =>
    member.iam.send(new DeleteInstanceProfileCommand({ InstanceProfileName })),
  );
  await member.iam.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName, RoleName: role.name }));
  resources.later(`role of instance profile ${role.name}`, () =>
    member.iam.send(new RemoveRoleFromInstanceProfileCommand({ InstanceProfileName, RoleName: role.name })),
  );
  return InstanceProfileName;
}
