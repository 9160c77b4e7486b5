import {
  AllocateAddressCommand,
  AssignIpv6AddressesCommand,
  AssociateAddressCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  DeleteNetworkInterfaceCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSecurityGroupsCommand,
  DetachNetworkInterfaceCommand,
  ModifyNetworkInterfaceAttributeCommand,
  type SecurityGroup,
} from '@aws-sdk/client-ec2';
import { isolateInterfaces } from '../../activities/containment';
import { createTriageActivities } from '../../activities/triage';
import { type ContainmentPlan, type ContainmentResult, planContainment, planHash } from '../../domain/containment';
import { actsOf } from './acts';
import {
  type ActivityLab,
  CASE_ID,
  caseRequest,
  createNetwork,
  failureOf,
  launchSuspect,
  type Network,
  runActivity,
  startActivityLab,
  type Suspect,
} from './support';

let lab: ActivityLab;

beforeAll(async () => {
  lab = await startActivityLab();
});
afterAll(() => lab.stop());
beforeEach(async () => {
  await lab.aws.lab.clearFaults();
  await lab.aws.lab.clearCalls();
});

async function planFor(suspect: Suspect): Promise<ContainmentPlan> {
  const triage = createTriageActivities(lab);
  const { facts } = await runActivity(
    (input: Parameters<typeof triage.triageInstance>[0]) => triage.triageInstance(input),
    {
      caseId: CASE_ID,
      request: caseRequest(suspect.target),
    },
  );
  return planContainment(facts);
}

async function suspectWithPlan(interfaces: number, ipv6 = false) {
  const network = await createNetwork(lab, ipv6);
  const suspect = await launchSuspect(lab, network, { interfaces });
  return { network, suspect, plan: await planFor(suspect) };
}

const isolate = (plan: ContainmentPlan, attempt = 1, caseId = CASE_ID) => {
  const { accountId, region } = plan.target;
  return runActivity(
    (given: ContainmentPlan) =>
      isolateInterfaces(lab.clients.member(accountId, region, 'contain', caseId), caseId, given),
    plan,
    { attempt },
  );
};

async function groupsIn(network: Network, role?: string): Promise<SecurityGroup[]> {
  const { SecurityGroups } = await lab.aws.member.ec2.send(
    new DescribeSecurityGroupsCommand({
      Filters: [
        { Name: 'vpc-id', Values: [network.vpcId] },
        ...(role === undefined ? [] : [{ Name: 'tag:forensics:role', Values: [role] }]),
      ],
    }),
  );
  return SecurityGroups ?? [];
}

async function groupsOf(networkInterfaceId: string): Promise<string[]> {
  const { NetworkInterfaces } = await lab.aws.member.ec2.send(
    new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [networkInterfaceId] }),
  );
  return NetworkInterfaces![0]!.Groups!.map((group) => group.GroupId!);
}

/** Egress on TCP 443 to the VPC and nothing else, in either direction and either protocol family. */
function expectIsolating(group: SecurityGroup): void {
  expect(group.IpPermissions).toEqual([]);
  expect(group.IpPermissionsEgress).toHaveLength(1);
  expect(group.IpPermissionsEgress![0]).toMatchObject({ IpProtocol: 'tcp', FromPort: 443, ToPort: 443 });
  expect(group.IpPermissionsEgress![0]!.IpRanges!.map((range) => range.CidrIp)).toEqual(['10.7.0.0/16']);
}

describe('the Internet edge', () => {
  async function elasticAddress(networkInterfaceId: string) {
    const { ec2 } = lab.aws.member;
    const address = await ec2.send(new AllocateAddressCommand({ Domain: 'vpc' }));
    await ec2.send(
      new AssociateAddressCommand({ AllocationId: address.AllocationId!, NetworkInterfaceId: networkInterfaceId }),
    );
    return { address: address.PublicIp!, allocationId: address.AllocationId! };
  }
  const modifiedGroups = async () =>
    (await lab.aws.lab.calls())
      .filter(({ action, error }) => action === 'ModifyNetworkInterfaceAttribute' && error === null)
      .map(({ parameters }) => JSON.stringify(parameters))
      .filter((parameters) => parameters.includes('sg-'));

  it('takes the Elastic IP address off first, so that the all-open step opens nothing to the Internet', async () => {
    const { network, suspect } = await suspectWithPlan(2);
    const [first = ''] = suspect.networkInterfaceIds;
    const elastic = await elasticAddress(first);
    const plan = await planFor(suspect);
    expect(plan.layers.internetEdge).toMatchObject([
      { networkInterfaceId: first, address: elastic.address, kind: 'elastic' },
    ]);
    expect(plan.blastRadius.join()).toContain(`Elastic IP address ${elastic.address} is taken off`);
    await lab.aws.lab.clearCalls();
    let result = {} as Omit<ContainmentResult, 'layers'>;
    const acts = await actsOf(async () => (result = await isolate(plan)));
    expect(result.outcome).toBe('isolated');
    const authority = { checkpoint: 'isolation', planHash: planHash(plan) };
    expect(acts.filter((act) => act.authority?.planHash === authority.planHash)).toHaveLength(acts.length);
    const changes = acts.filter(({ data }) => data!.changesSuspect);
    expect(changes.map(({ message }) => message).join('\n')).toMatch(
      new RegExp(
        `Elastic IP address ${elastic.address} of network interface ${first} is taken away; it can be given back`,
      ),
    );
    const [isolation] = await groupsIn(network, 'isolation');
    const moved = changes.filter(({ data }) => String(data!.after) === isolation!.GroupId);
    expect(moved.map(({ data }) => [data!.networkInterfaceId, data!.before]).sort()).toEqual(
      plan.layers.securityGroups.map((eni) => [eni.networkInterfaceId, eni.groupsBefore]).sort(),
    );
    expect(result.internetEdge).toEqual([
      { ...plan.layers.internetEdge[0], outcome: 'removed', allocationId: elastic.allocationId },
    ]);
    const [untrack] = await groupsIn(network, 'untrack');
    expect((await modifiedGroups()).filter((one) => one.includes(untrack!.GroupId!))).toHaveLength(2);
    const calls = (await lab.aws.lab.calls()).map(({ action }) => action);
    expect(calls.indexOf('DisassociateAddress')).toBeLessThan(calls.indexOf('ModifyNetworkInterfaceAttribute'));

    // Once more, as after a lost answer: the same result, and the allocation is still known to a release.
    expect({ ...(await isolate(plan, 2)), verifiedAt: '' }).toEqual({ ...result, verifiedAt: '' });
  });

  it('takes an assigned address away, and says beforehand that it never comes back', async () => {
    const { suspect } = await suspectWithPlan(1);
    const [first = ''] = suspect.networkInterfaceIds;
    await lab.aws.member.ec2.send(
      new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId: first, AssociatePublicIpAddress: true }),
    );
    const plan = await planFor(suspect);
    expect(plan.layers.internetEdge).toMatchObject([{ networkInterfaceId: first, kind: 'assigned' }]);
    expect(plan.blastRadius.join()).toContain('FOR GOOD');
    expect((await isolate(plan)).internetEdge).toMatchObject([{ outcome: 'removed' }]);
    expect((await planFor(suspect)).layers.internetEdge).toEqual([]);
  });

  it('takes IPv6 addresses off the interface', async () => {
    const { suspect } = await suspectWithPlan(1, true);
    const [first = ''] = suspect.networkInterfaceIds;
    await lab.aws.member.ec2.send(
      new AssignIpv6AddressesCommand({ NetworkInterfaceId: first, Ipv6Addresses: ['2001:db8::7'] }),
    );
    const plan = await planFor(suspect);
    expect(plan.layers.internetEdge).toEqual([{ networkInterfaceId: first, address: '2001:db8::7', kind: 'ipv6' }]);
    expect((await isolate(plan)).internetEdge).toMatchObject([{ outcome: 'removed' }]);
    expect((await planFor(suspect)).layers.internetEdge).toEqual([]);
  });

  it('an address that cannot be taken off is said, the interface isolated without the all-open step', async () => {
    const { network, suspect } = await suspectWithPlan(1);
    const [first = ''] = suspect.networkInterfaceIds;
    const elastic = await elasticAddress(first);
    const plan = await planFor(suspect);
    await lab.aws.lab.clearCalls();
    await lab.aws.lab.setFaults([{ action: 'DisassociateAddress', code: 'UnauthorizedOperation', times: 9 }]);
    const result = await isolate(plan);
    expect(result).toMatchObject({
      outcome: 'partially-isolated',
      internetEdge: [{ address: elastic.address, outcome: 'failed' }],
      interfaces: [{ outcome: 'isolated' }],
    });
    expect(result.internetEdge[0]!.reason).toContain('UnauthorizedOperation');
    expect(result.residualPaths.join()).toContain(`it still has ${elastic.address}`);
    const [untrack] = await groupsIn(network, 'untrack');
    expect((await modifiedGroups()).join()).not.toContain(untrack!.GroupId);
  });

  it('an address that its owner moved to another instance meanwhile is left there', async () => {
    const { suspect } = await suspectWithPlan(2);
    const [first = '', second = ''] = suspect.networkInterfaceIds;
    const elastic = await elasticAddress(first);
    const plan = await planFor(suspect);
    const { ec2 } = lab.aws.member;
    const moved = { AllocationId: elastic.allocationId, NetworkInterfaceId: second, AllowReassociation: true };
    await ec2.send(new AssociateAddressCommand(moved));
    await lab.aws.lab.clearCalls();
    expect((await isolate(plan)).internetEdge).toMatchObject([{ outcome: 'removed' }]);
    expect((await lab.aws.lab.calls()).map(({ action }) => action)).not.toContain('DisassociateAddress');
  });
});

describe('isolation', () => {
  it('instance without profile is isolated, on every one of its interfaces (AFO A2, A3)', async () => {
    const { network, suspect, plan } = await suspectWithPlan(4);
    const result = await isolate(plan);
    const [isolation] = await groupsIn(network, 'isolation');

    expect(result.outcome).toBe('isolated');
    expect(result.interfaces).toEqual(
      suspect.networkInterfaceIds.map((networkInterfaceId) => ({
        networkInterfaceId,
        outcome: 'isolated',
        groupsBefore: [network.groupId],
        groupsAfter: [isolation!.GroupId],
      })),
    );
    expectIsolating(isolation!);
    expect(result.residualPaths.join()).toMatch(/DNS.*TCP 443 stays open to every address inside the VPC/);
  });

  it('untracks connections first, by a group that is open in IPv4 and IPv6, both directions (AFO A5)', async () => {
    const { network, suspect, plan } = await suspectWithPlan(1);
    await isolate(plan);
    const [isolation] = await groupsIn(network, 'isolation');
    const [untrack] = await groupsIn(network, 'untrack');
    const changes = (await lab.aws.lab.calls()).filter(({ action }) => action === 'ModifyNetworkInterfaceAttribute');

    const all = { IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }], Ipv6Ranges: [{ CidrIpv6: '::/0' }] };
    const families = (permissions: SecurityGroup['IpPermissions']) => ({
      IpProtocol: permissions![0]!.IpProtocol,
      IpRanges: permissions!.flatMap((one) => one.IpRanges ?? []).map(({ CidrIp }) => ({ CidrIp })),
      Ipv6Ranges: permissions!.flatMap((one) => one.Ipv6Ranges ?? []).map(({ CidrIpv6 }) => ({ CidrIpv6 })),
    });
    expect(families(untrack!.IpPermissions)).toEqual(all);
    expect(families(untrack!.IpPermissionsEgress)).toEqual(all);
    expect(changes.map(({ parameters }) => JSON.stringify(parameters))).toEqual([
      expect.stringContaining(untrack!.GroupId!) as string,
      expect.stringContaining(isolation!.GroupId!) as string,
    ]);
    expect(await groupsOf(suspect.networkInterfaceIds[0]!)).toEqual([isolation!.GroupId]);
  });

  it('never opens an interface with a public address, not even one it got after the plan (AFO A4)', async () => {
    const { network, suspect, plan } = await suspectWithPlan(1);
    const address = await lab.aws.member.ec2.send(new AllocateAddressCommand({ Domain: 'vpc' }));
    await lab.aws.member.ec2.send(
      new AssociateAddressCommand({
        AllocationId: address.AllocationId!,
        NetworkInterfaceId: suspect.networkInterfaceIds[0]!,
      }),
    );
    expect(plan.layers.internetEdge).toEqual([]);
    await lab.aws.lab.clearCalls();
    const result = await isolate(plan);
    expect(result.outcome).toBe('isolated');
    expect(result.residualPaths.join()).toContain(`it still has ${address.PublicIp!}`);
    const [untrack] = await groupsIn(network, 'untrack');
    const changes = (await lab.aws.lab.calls()).filter(({ action }) => action === 'ModifyNetworkInterfaceAttribute');
    expect(changes).toHaveLength(1);
    expect(JSON.stringify(changes)).not.toContain(untrack!.GroupId);
  });

  it('repairs a group that was altered or never closed before it is used (AFO A6)', async () => {
    const { network, plan } = await suspectWithPlan(2);
    // As a case leaves it that died between creating the group and revoking its default egress; then somebody added SSH.
    const poisoned = await lab.aws.member.ec2.send(
      new CreateSecurityGroupCommand({
        VpcId: network.vpcId,
        GroupName: 'forensics-isolation',
        Description: 'poisoned',
        TagSpecifications: [{ ResourceType: 'security-group', Tags: [{ Key: 'forensics:role', Value: 'isolation' }] }],
      }),
    );
    await lab.aws.member.ec2.send(
      new AuthorizeSecurityGroupIngressCommand({
        GroupId: poisoned.GroupId!,
        IpPermissions: [
          { IpProtocol: 'tcp', FromPort: 22, ToPort: 22, Ipv6Ranges: [{ CidrIpv6: '::/0' }] },
          { IpProtocol: '-1', UserIdGroupPairs: [{ GroupId: network.groupId }] },
        ],
      }),
    );
    expect((await isolate(plan)).outcome).toBe('isolated');
    const groups = await groupsIn(network, 'isolation');
    expect(groups.map((group) => group.GroupId)).toEqual([poisoned.GroupId]);
    expectIsolating(groups[0]!);
  });

  it('does not use an isolation group that cannot be closed (AFO A6)', async () => {
    const { network, suspect, plan } = await suspectWithPlan(1);
    await lab.aws.lab.setFaults([{ action: 'RevokeSecurityGroupEgress', code: 'UnauthorizedOperation', times: 9 }]);
    const result = await isolate(plan);
    expect(result.outcome).toBe('failed');
    expect(result.interfaces[0]!.reason).toMatch(/revoking egress.*UnauthorizedOperation/);
    expect(await groupsOf(suspect.networkInterfaceIds[0]!)).toEqual([network.groupId]);
  });

  it('leaves a stranger’s group of our name alone and takes another name', async () => {
    const { network, plan } = await suspectWithPlan(1);
    const stranger = await lab.aws.member.ec2.send(
      new CreateSecurityGroupCommand({ VpcId: network.vpcId, GroupName: 'forensics-isolation', Description: 'theirs' }),
    );
    expect((await isolate(plan)).outcome).toBe('isolated');
    const [ours] = await groupsIn(network, 'isolation');
    expect(ours!.GroupName).toMatch(/^forensics-isolation-[0-9a-f]{8}$/);
    const theirs = (await groupsIn(network)).find((group) => group.GroupId === stranger.GroupId);
    expect(theirs!.IpPermissionsEgress).toHaveLength(1);
    expect(theirs!.IpPermissionsEgress![0]!.IpProtocol).toBe('-1');
  });

  it('two cases in one VPC race for the group: one group, both isolated (AFO A6)', async () => {
    const network = await createNetwork(lab);
    const suspects = await Promise.all([1, 2, 3].map(() => launchSuspect(lab, network)));
    const plans = await Promise.all(suspects.map(planFor));
    const results = await Promise.all(plans.map((plan, index) => isolate(plan, 1, `${CASE_ID}-${index}`)));
    expect(results.map(({ outcome }) => outcome)).toEqual(['isolated', 'isolated', 'isolated']);
    const groups = await groupsIn(network, 'isolation');
    expect(groups).toHaveLength(1);
    expectIsolating(groups[0]!);
  });

  it('a failure on one interface re-opens no other and is never rolled back (AFO A1)', async () => {
    const { network, suspect, plan } = await suspectWithPlan(3);
    const [broken, ...others] = suspect.networkInterfaceIds;
    await lab.aws.lab.setFaults([
      {
        action: 'ModifyNetworkInterfaceAttribute',
        code: 'UnauthorizedOperation',
        match: { NetworkInterfaceId: broken! },
        times: 9,
      },
    ]);
    const result = await isolate(plan);
    const [isolation] = await groupsIn(network, 'isolation');
    expect(result.outcome).toBe('partially-isolated');
    expect(result.interfaces.find((eni) => eni.networkInterfaceId === broken)).toMatchObject({
      outcome: 'failed',
      groupsAfter: [network.groupId],
      reason: expect.stringMatching(/UnauthorizedOperation/) as string,
    });
    for (const id of others) expect(await groupsOf(id)).toEqual([isolation!.GroupId]);
  });

  it('is throttled in the middle: the next attempt goes on, and nothing was undone (AFO A1)', async () => {
    const { network, suspect, plan } = await suspectWithPlan(2);
    const [first, second] = suspect.networkInterfaceIds;
    // Three tries of the SDK for the first step of this interface, and fifteen for the closing one.
    const throttled = { action: 'ModifyNetworkInterfaceAttribute', code: 'RequestLimitExceeded', times: 6 };
    await lab.aws.lab.setFaults([{ ...throttled, match: { NetworkInterfaceId: second! } }]);
    expect((await isolate(plan)).outcome).toBe('isolated');
    expect(await groupsOf(second!)).toEqual(await groupsOf(first!));

    // As a dead worker leaves it: the all-open group is attached. The next attempt closes it and opens nothing.
    const [untrack] = await groupsIn(network, 'untrack');
    await lab.aws.member.ec2.send(
      new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId: first!, Groups: [untrack!.GroupId!] }),
    );
    await lab.aws.lab.clearCalls();
    expect((await isolate(plan, 2)).outcome).toBe('isolated');
    const changes = (await lab.aws.lab.calls()).filter(
      ({ action, account }) => action === 'ModifyNetworkInterfaceAttribute' && account !== '',
    );
    expect(changes).toHaveLength(1);
    expect(JSON.stringify(changes[0]!.parameters)).not.toContain(untrack!.GroupId);
  });

  it('does not settle while an interface is in the all-open group and AWS only asks to wait (AFO A4)', async () => {
    const { network, suspect, plan } = await suspectWithPlan(1);
    await isolate(plan);
    const [untrack] = await groupsIn(network, 'untrack');
    await lab.aws.member.ec2.send(
      new ModifyNetworkInterfaceAttributeCommand({
        NetworkInterfaceId: suspect.networkInterfaceIds[0]!,
        Groups: [untrack!.GroupId!],
      }),
    );
    await lab.aws.lab.setFaults([
      { action: 'ModifyNetworkInterfaceAttribute', code: 'RequestLimitExceeded', times: 99 },
    ]);
    expect(await failureOf(isolate(plan, 50))).toMatchObject({ type: 'Throttled', nonRetryable: false });
    await lab.aws.lab.clearFaults();
    expect((await isolate(plan, 51)).outcome).toBe('isolated');
  });

  it('has lost an interface meanwhile: reported, the others are isolated', async () => {
    const { suspect, plan } = await suspectWithPlan(2);
    const gone = suspect.networkInterfaceIds[1]!;
    const { ec2 } = lab.aws.member;
    const { NetworkInterfaces } = await ec2.send(
      new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: suspect.networkInterfaceIds }),
    );
    const secondary = NetworkInterfaces!.find((eni) => eni.Attachment?.DeviceIndex === 1)!;
    await ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId: secondary.Attachment!.AttachmentId! }));
    await ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: secondary.NetworkInterfaceId! }));
    const result = await isolate(plan);
    expect(suspect.networkInterfaceIds).toContain(gone);
    expect(result.outcome).toBe('partially-isolated');
    expect(result.interfaces.filter(({ outcome }) => outcome === 'failed')).toMatchObject([
      {
        networkInterfaceId: secondary.NetworkInterfaceId,
        reason: expect.stringContaining('no longer exists') as string,
      },
    ]);
  });

  it('names an interface that was attached after the plan', async () => {
    const { suspect, plan } = await suspectWithPlan(2);
    const known = plan.layers.securityGroups.slice(0, 1);
    const result = await isolate({ ...plan, layers: { internetEdge: [], securityGroups: known } });
    expect(result.outcome).toBe('partially-isolated');
    expect(result.interfaces[1]).toMatchObject({
      networkInterfaceId: suspect.networkInterfaceIds[1],
      outcome: 'failed',
      reason: expect.stringContaining('after the plan was made') as string,
    });
  });

  it('runs again after its answer was lost: same result, no further change', async () => {
    const { plan } = await suspectWithPlan(2);
    const first = await isolate(plan);
    await lab.aws.lab.clearCalls();
    const second = await isolate(plan, 2);
    expect({ ...second, verifiedAt: '' }).toEqual({ ...first, verifiedAt: '' });
    const changing = (await lab.aws.lab.calls()).filter(({ action }) => !/^(Describe|AssumeRole)/.test(action));
    expect(changing).toEqual([]);
  });
});
