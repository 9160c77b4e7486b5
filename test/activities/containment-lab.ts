import { randomBytes } from 'node:crypto';
import {
  AttachInstancesCommand,
  AutoScalingClient,
  CreateAutoScalingGroupCommand,
  CreateLaunchConfigurationCommand,
  DescribeAutoScalingInstancesCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  AllocateAddressCommand,
  AssignIpv6AddressesCommand,
  AssociateAddressCommand,
  AssociateIamInstanceProfileCommand,
  DescribeAddressesCommand,
  DescribeIamInstanceProfileAssociationsCommand,
  DescribeInstanceAttributeCommand,
  DescribeInstancesCommand,
  DescribeNetworkAclsCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSecurityGroupsCommand,
} from '@aws-sdk/client-ec2';
import {
  CreateTargetGroupCommand,
  DescribeTargetHealthCommand,
  ElasticLoadBalancingV2Client,
  RegisterTargetsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import {
  AddRoleToInstanceProfileCommand,
  CreateInstanceProfileCommand,
  CreateRoleCommand,
  ListRolePoliciesCommand,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam';
import type { LayerActivities } from '../../activities/containment/layer-activities';
import { createLayerActivities } from '../../activities/containment/layers';
import { createTriageActivities } from '../../activities/triage';
import {
  type ContainmentMode,
  type ContainmentPlan,
  type EnforcedLayer,
  type LayerName,
  type LayerOutcome,
  planContainment,
} from '../../domain/containment';
import type { InstanceFacts } from '../../domain/instance-facts';
import { LAB_REGION } from '../../lab/config';
import {
  type ActivityLab,
  CASE_ID,
  caseRequest,
  createNetwork,
  launchSuspect,
  type Network,
  runActivity,
  type Suspect,
} from './support';

/** Every layer that this release carries out. */
export const EVERY_LAYER: EnforcedLayer[] = [
  'identity',
  'internet-edge',
  'load-balancer',
  'security-groups',
  'network-acl',
  'metadata-service',
  'stop',
];

/** Clients that `ActivityLab` lacks, as the administrator of the member account. */
export function moreClients({ aws }: ActivityLab) {
  const settings = { endpoint: aws.emulator.url, region: LAB_REGION, credentials: aws.member.credentials };
  return { autoScaling: new AutoScalingClient(settings), loadBalancing: new ElasticLoadBalancingV2Client(settings) };
}
export type MoreClients = ReturnType<typeof moreClients>;

export interface EntangledSuspect {
  network: Network;
  suspect: Suspect;
  /** Has the same instance profile. */
  other: Suspect;
  roleName: string;
  profileArn: string;
  elasticAddress: string;
  allocationId: string;
  ipv6Address: string;
  groupName: string;
  targetGroupArn: string;
}

/** Three interfaces, one with IPv6, an Elastic IP address, a profile with a path that another instance has too, a group, a target group. */
export async function launchEntangledSuspect(lab: ActivityLab, clients: MoreClients): Promise<EntangledSuspect> {
  const { ec2 } = lab.aws.member;
  const network = await createNetwork(lab, true);
  const [suspect, other] = [
    await launchSuspect(lab, network, { interfaces: 3 }),
    await launchSuspect(lab, network, { interfaces: 1 }),
  ];
  const { roleName, profileArn } = await giveProfile(lab, [suspect, other]);
  const [first = '', second = ''] = suspect.networkInterfaceIds;
  const { AllocationId: allocationId = '', PublicIp: elasticAddress = '' } = await ec2.send(
    new AllocateAddressCommand({ Domain: 'vpc' }),
  );
  await ec2.send(new AssociateAddressCommand({ AllocationId: allocationId, NetworkInterfaceId: first }));
  const ipv6Address = '2001:db8::7';
  await ec2.send(new AssignIpv6AddressesCommand({ NetworkInterfaceId: second, Ipv6Addresses: [ipv6Address] }));
  const { groupName, targetGroupArn } = await joinGroup(lab, clients, network, suspect);
  return {
    network,
    suspect,
    other,
    roleName,
    profileArn,
    elasticAddress,
    allocationId,
    ipv6Address,
    groupName,
    targetGroupArn,
  };
}

/** One profile for all of them, with a path in its name's way. */
export async function giveProfile(
  { aws }: ActivityLab,
  suspects: Suspect[],
  trusted: object = { Service: 'ec2.amazonaws.com' },
): Promise<{ roleName: string; profileArn: string }> {
  const { iam, ec2 } = aws.member;
  const roleName = `app-${randomBytes(4).toString('hex')}`;
  await iam.send(
    new CreateRoleCommand({
      RoleName: roleName,
      AssumeRolePolicyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Principal: trusted, Action: 'sts:AssumeRole' }],
      }),
    }),
  );
  await iam.send(
    new PutRolePolicyCommand({
      RoleName: roleName,
      PolicyName: 'app',
      PolicyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }],
      }),
    }),
  );
  const { InstanceProfile } = await iam.send(
    new CreateInstanceProfileCommand({ InstanceProfileName: roleName, Path: '/teams/web/' }),
  );
  await iam.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName: roleName, RoleName: roleName }));
  for (const { target } of suspects) {
    await ec2.send(
      new AssociateIamInstanceProfileCommand({
        InstanceId: target.instanceId,
        IamInstanceProfile: { Arn: InstanceProfile!.Arn! },
      }),
    );
  }
  return { roleName, profileArn: InstanceProfile!.Arn! };
}

export async function joinGroup(
  { aws }: ActivityLab,
  { autoScaling, loadBalancing }: MoreClients,
  network: Network,
  { target }: Suspect,
): Promise<{ groupName: string; targetGroupArn: string }> {
  const groupName = `web-${randomBytes(4).toString('hex')}`;
  const { TargetGroups } = await loadBalancing.send(
    new CreateTargetGroupCommand({ Name: groupName, Protocol: 'HTTP', Port: 80, VpcId: network.vpcId }),
  );
  const targetGroupArn = TargetGroups![0]!.TargetGroupArn!;
  const { ImageId } = (await aws.member.ec2.send(new DescribeInstancesCommand({ InstanceIds: [target.instanceId] })))
    .Reservations![0]!.Instances![0]!;
  await autoScaling.send(
    new CreateLaunchConfigurationCommand({
      LaunchConfigurationName: groupName,
      ImageId,
      InstanceType: 't3.micro',
    }),
  );
  await autoScaling.send(
    new CreateAutoScalingGroupCommand({
      AutoScalingGroupName: groupName,
      LaunchConfigurationName: groupName,
      MinSize: 0,
      MaxSize: 4,
      DesiredCapacity: 0,
      VPCZoneIdentifier: network.subnetId,
    }),
  );
  await autoScaling.send(
    new AttachInstancesCommand({ AutoScalingGroupName: groupName, InstanceIds: [target.instanceId] }),
  );
  await loadBalancing.send(
    new RegisterTargetsCommand({ TargetGroupArn: targetGroupArn, Targets: [{ Id: target.instanceId, Port: 8080 }] }),
  );
  return { groupName, targetGroupArn };
}

export async function factsOf(lab: ActivityLab, { target }: Suspect): Promise<InstanceFacts> {
  const triage = createTriageActivities(lab);
  const { facts } = await runActivity(
    (input: Parameters<typeof triage.triageInstance>[0]) => triage.triageInstance(input),
    { caseId: CASE_ID, request: caseRequest(target) },
  );
  return facts;
}

export async function planFor(
  lab: ActivityLab,
  suspect: Suspect,
  layers: LayerName[],
  mode: ContainmentMode = 'keep-ssm',
): Promise<ContainmentPlan> {
  return planContainment(await factsOf(lab, suspect), { mode, layers });
}

/** Layer activities, each as one attempt of a worker. */
export function layerSteps(lab: ActivityLab) {
  const layers = createLayerActivities(lab);
  const step =
    <Name extends keyof LayerActivities>(name: Name) =>
    (input: Parameters<LayerActivities[Name]>[0], attempt = 1): ReturnType<LayerActivities[Name]> =>
      runActivity((given: never) => (layers[name] as (given: never) => Promise<unknown>)(given), input as never, {
        attempt,
      }) as ReturnType<LayerActivities[Name]>;
  const [read, applyOne, undo] = [step('readLayer'), step('applyLayer'), step('undoLayer')];
  const apply = async (plan: ContainmentPlan, layer: EnforcedLayer, attempt = 1): Promise<LayerOutcome> => {
    const before = await read({ caseId: CASE_ID, plan, layer });
    return applyOne({ caseId: CASE_ID, plan, layer, before }, attempt);
  };
  return {
    read,
    applyOne,
    apply,
    undo: (plan: ContainmentPlan, applied: LayerOutcome, attempt = 1) =>
      undo({ caseId: CASE_ID, plan, layer: applied.layer, applied }, attempt),
    async applyAll(plan: ContainmentPlan): Promise<LayerOutcome[]> {
      const outcomes: LayerOutcome[] = [];
      for (const { layer } of plan.steps) outcomes.push(await apply(plan, layer));
      return outcomes;
    },
  };
}

/** What containment may change, read from AWS field by field: equal before and after when nothing is left behind. */
export async function dump(
  { aws }: ActivityLab,
  { autoScaling, loadBalancing }: MoreClients,
  { suspect, network, roleName, elasticAddress, targetGroupArn }: EntangledSuspect,
): Promise<unknown> {
  const { ec2, iam } = aws.member;
  const { instanceId: InstanceId } = suspect.target;
  const instance = (await ec2.send(new DescribeInstancesCommand({ InstanceIds: [InstanceId] }))).Reservations![0]!
    .Instances![0]!;
  const interfaces = await ec2.send(
    new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: suspect.networkInterfaceIds }),
  );
  const attribute = async (Attribute: 'disableApiStop' | 'disableApiTermination') =>
    ec2.send(new DescribeInstanceAttributeCommand({ InstanceId, Attribute }));
  const acls = await ec2.send(
    new DescribeNetworkAclsCommand({ Filters: [{ Name: 'vpc-id', Values: [network.vpcId] }] }),
  );
  const associations = await ec2.send(new DescribeIamInstanceProfileAssociationsCommand({}));
  const addresses = await ec2.send(new DescribeAddressesCommand({ PublicIps: [elasticAddress] }));
  const health = await loadBalancing.send(new DescribeTargetHealthCommand({ TargetGroupArn: targetGroupArn }));
  const group = await autoScaling.send(new DescribeAutoScalingInstancesCommand({ InstanceIds: [InstanceId] }));
  return {
    state: instance.State?.Name,
    metadata: instance.MetadataOptions,
    blockDevices: instance.BlockDeviceMappings?.map(({ DeviceName, Ebs }) => [DeviceName, Ebs?.DeleteOnTermination]),
    tags: instance.Tags,
    stop: (await attribute('disableApiStop')).DisableApiStop?.Value,
    termination: (await attribute('disableApiTermination')).DisableApiTermination?.Value,
    profiles: associations
      .IamInstanceProfileAssociations!.filter((one) => one.InstanceId === InstanceId)
      .map(({ IamInstanceProfile }) => IamInstanceProfile!.Arn),
    policies: (await iam.send(new ListRolePoliciesCommand({ RoleName: roleName }))).PolicyNames,
    interfaces: interfaces
      .NetworkInterfaces!.map((eni) => ({
        id: eni.NetworkInterfaceId,
        groups: eni.Groups!.map(({ GroupId }) => GroupId).sort(),
        addresses: eni.PrivateIpAddresses!.map((one) => [one.PrivateIpAddress, one.Association?.PublicIp]),
        ipv6: eni.Ipv6Addresses!.map(({ Ipv6Address }) => Ipv6Address),
        // EC2 has no call that unsets a timeout: one that was never set comes back as the documented default.
        tcpTimeout: eni.ConnectionTrackingConfiguration?.TcpEstablishedTimeout ?? 432_000,
      }))
      .sort((a, b) => a.id!.localeCompare(b.id!)),
    address: addresses.Addresses!.map(({ NetworkInterfaceId, PrivateIpAddress }) => [
      NetworkInterfaceId,
      PrivateIpAddress,
    ]),
    acls: acls.NetworkAcls!.map((acl) => [acl.NetworkAclId, acl.Associations?.map(({ SubnetId }) => SubnetId)]),
    targets: health.TargetHealthDescriptions!.map(({ Target }) => [Target!.Id, Target!.Port]).sort(),
    group: group.AutoScalingInstances!.map((one) => [one.LifecycleState, one.ProtectedFromScaleIn]),
  };
}

/** Groups of the instance's interfaces that are the product's, by role tag. */
export async function groupRoles(
  { aws }: ActivityLab,
  { networkInterfaceIds }: Suspect,
): Promise<(string | undefined)[]> {
  const { NetworkInterfaces } = await aws.member.ec2.send(
    new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: networkInterfaceIds }),
  );
  const ids = NetworkInterfaces!.flatMap((eni) => eni.Groups!.map(({ GroupId }) => GroupId!));
  const { SecurityGroups } = await aws.member.ec2.send(
    new DescribeSecurityGroupsCommand({ GroupIds: [...new Set(ids)] }),
  );
  return ids.map(
    (id) =>
      SecurityGroups!.find(({ GroupId }) => GroupId === id)?.Tags?.find(({ Key }) => Key === 'forensics:role')?.Value,
  );
}
