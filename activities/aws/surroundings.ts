import { DescribeAutoScalingGroupsCommand, DescribeAutoScalingInstancesCommand } from '@aws-sdk/client-auto-scaling';
import {
  type Instance,
  paginateDescribeIamInstanceProfileAssociations,
  paginateDescribeNetworkInterfaces,
} from '@aws-sdk/client-ec2';
import { GetInstanceProfileCommand, paginateListInstanceProfilesForRole } from '@aws-sdk/client-iam';
import type { AutoScalingFacts, InstanceFacts, InstanceProfileFacts } from '../../domain/instance-facts';
import type { AccountClients } from './clients';
import { awsStep } from './errors';
import { readTargetGroups } from './target-groups';
import { orElse } from './tolerance';

type Surroundings = Pick<
  InstanceFacts,
  'instanceProfile' | 'autoScaling' | 'targetGroups' | 'subnetNeighbours' | 'lifecycle'
>;

/** Who else feels it when the instance is contained, and what may replace it. All of it is good to know, none is needed. */
export async function readSurroundings(
  member: AccountClients,
  instance: Instance,
  unreadable: string[],
): Promise<Surroundings> {
  const { InstanceId: instanceId = '', InstanceLifecycle } = instance;
  const subnets = [...new Set((instance.NetworkInterfaces ?? []).flatMap(({ SubnetId }) => SubnetId ?? []))].sort();
  const [instanceProfile, autoScaling, targetGroups, subnetNeighbours] = await Promise.all([
    readInstanceProfile(member, instanceId, instance.IamInstanceProfile?.Arn, unreadable),
    orElse(undefined, unreadable, () => readAutoScaling(member, instanceId)),
    orElse(undefined, unreadable, () => readTargetGroups(member, registrationsOf(instance))),
    orElse(undefined, unreadable, () => readNeighbours(member, instanceId, subnets)),
  ]);
  return {
    ...(instanceProfile && { instanceProfile }),
    ...(autoScaling && { autoScaling }),
    ...(targetGroups && { targetGroups }),
    ...(subnetNeighbours && { subnetNeighbours }),
    // EC2 names the lifecycle of what was not bought on demand only.
    lifecycle: lifecycleOf(InstanceLifecycle),
  };
}

/** By what the instance may be registered, and where to look. */
function registrationsOf({ InstanceId = '', NetworkInterfaces: interfaces = [] }: Instance) {
  return {
    instanceId: InstanceId,
    vpcIds: [...new Set(interfaces.flatMap(({ VpcId }) => VpcId ?? []))],
    addresses: interfaces.flatMap((eni) =>
      (eni.PrivateIpAddresses ?? []).flatMap(({ PrivateIpAddress }) => PrivateIpAddress ?? []),
    ),
  };
}

function lifecycleOf(lifecycle: Instance['InstanceLifecycle']): NonNullable<InstanceFacts['lifecycle']> {
  return lifecycle === 'spot' || lifecycle === 'scheduled' || lifecycle === 'capacity-block' ? lifecycle : 'on-demand';
}

async function readInstanceProfile(
  member: AccountClients,
  instanceId: string,
  arn: string | undefined,
  unreadable: string[],
): Promise<InstanceProfileFacts | undefined> {
  if (arn === undefined) return undefined;
  const role = await orElse(undefined, unreadable, () => readRole(member, arn));
  const roleName = role?.roleName;
  if (roleName === undefined) return { arn };
  const otherHolders = await orElse(undefined, unreadable, () => readHolders(member, instanceId, roleName));
  return { arn, ...role, ...(otherHolders && { otherHolders }) };
}

/** The profile's name is what follows the last slash: a path may come before it. */
async function readRole(
  member: AccountClients,
  arn: string,
): Promise<Pick<InstanceProfileFacts, 'roleName' | 'assumedByOthers'>> {
  const InstanceProfileName = arn.slice(arn.lastIndexOf('/') + 1);
  const { InstanceProfile: profile } = await awsStep(`reading instance profile ${InstanceProfileName}`, (options) =>
    member.iam.send(new GetInstanceProfileCommand({ InstanceProfileName }), options),
  );
  const role = profile?.Roles?.[0];
  if (role?.RoleName === undefined) return {};
  const assumedByOthers = trustsOthersThanEc2(role.AssumeRolePolicyDocument);
  return { roleName: role.RoleName, ...(assumedByOthers !== undefined && { assumedByOthers }) };
}

/** Undefined for a document that is not what IAM documents (URL-encoded JSON). */
function trustsOthersThanEc2(encoded: string | undefined): boolean | undefined {
  if (encoded === undefined) return undefined;
  try {
    const document: unknown = JSON.parse(decodeURIComponent(encoded));
    const statements = [(document as { Statement?: unknown }).Statement].flat();
    return statements.some((statement) => {
      const { Effect, Principal } = statement as { Effect?: string; Principal?: unknown };
      if (Effect !== 'Allow') return false;
      const principals = Object.entries(typeof Principal === 'object' ? (Principal ?? {}) : { AWS: Principal });
      return principals.some(
        ([kind, names]) =>
          kind !== 'Service' || [names].flat().some((name) => !/^ec2\.amazonaws\.com(\.cn)?$/.test(String(name))),
      );
    });
  } catch {
    return undefined;
  }
}

/** Instances with any profile of the role but this one. */
async function readHolders(member: AccountClients, instanceId: string, RoleName: string): Promise<string[]> {
  const arns = await awsStep(`reading the instance profiles of role ${RoleName}`, async () => {
    const found: string[] = [];
    for await (const page of paginateListInstanceProfilesForRole({ client: member.iam }, { RoleName })) {
      found.push(...(page.InstanceProfiles ?? []).flatMap(({ Arn }) => Arn ?? []));
    }
    return found;
  });
  return awsStep(`looking for other instances with role ${RoleName}`, async (options) => {
    const holders = new Set<string>();
    // There is no filter by profile: EC2 knows the associations by instance and state only.
    const query = { Filters: [{ Name: 'state', Values: ['associating', 'associated'] }] };
    for await (const page of paginateDescribeIamInstanceProfileAssociations({ client: member.ec2 }, query, options)) {
      for (const { InstanceId, IamInstanceProfile } of page.IamInstanceProfileAssociations ?? [])
        if (InstanceId !== undefined && arns.includes(IamInstanceProfile?.Arn ?? '')) holders.add(InstanceId);
    }
    holders.delete(instanceId);
    return [...holders].sort();
  });
}

async function readAutoScaling(member: AccountClients, instanceId: string): Promise<AutoScalingFacts | undefined> {
  const { autoScaling } = member;
  const { AutoScalingInstances } = await awsStep(`reading the Auto Scaling group of ${instanceId}`, (options) =>
    autoScaling.send(new DescribeAutoScalingInstancesCommand({ InstanceIds: [instanceId] }), options),
  );
  const [found] = AutoScalingInstances ?? [];
  if (found?.AutoScalingGroupName === undefined) return undefined;
  const groupName = found.AutoScalingGroupName;
  const { AutoScalingGroups } = await awsStep(`reading Auto Scaling group ${groupName}`, (options) =>
    autoScaling.send(new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [groupName] }), options),
  );
  return {
    groupName,
    lifecycleState: found.LifecycleState ?? 'unknown',
    protectedFromScaleIn: found.ProtectedFromScaleIn ?? false,
    classicLoadBalancers: [...(AutoScalingGroups?.[0]?.LoadBalancerNames ?? [])].sort(),
  };
}

async function readNeighbours(
  member: AccountClients,
  instanceId: string,
  subnets: string[],
): Promise<Record<string, string[]>> {
  if (subnets.length === 0) return {};
  return awsStep(`reading who else is in ${subnets.join(', ')}`, async (options) => {
    const found = new Map(subnets.map((subnet) => [subnet, new Set<string>()]));
    const query = { Filters: [{ Name: 'subnet-id', Values: subnets }] };
    for await (const page of paginateDescribeNetworkInterfaces({ client: member.ec2 }, query, options)) {
      for (const { SubnetId, Attachment } of page.NetworkInterfaces ?? []) {
        const neighbour = Attachment?.InstanceId;
        if (neighbour !== undefined && neighbour !== instanceId) found.get(SubnetId ?? '')?.add(neighbour);
      }
    }
    return Object.fromEntries([...found].map(([subnet, ids]) => [subnet, [...ids].sort()]));
  });
}
