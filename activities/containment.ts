import {
  DescribeNetworkInterfacesCommand,
  type Filter,
  ModifyNetworkInterfaceAttributeCommand,
  type NetworkInterface,
} from '@aws-sdk/client-ec2';
import { sleep } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import {
  type ContainmentMode,
  type ContainmentPlan,
  type ContainmentResult,
  type InterfaceIsolation,
  type InterfaceOutcome,
  planHash,
} from '../domain/containment';
import type { CustodyFacts } from '../domain/custody/facts';
import type { AccountClients } from './aws/clients';
import { awsStep, isRetryable, worthAnotherAttempt } from './aws/errors';
import { containmentGroup, type SecurityGroupKind } from './containment-groups';
import { apart, noteAct } from './custody-acts';
import { removeFromInternetEdge } from './internet-edge';

/** Tries of the closing step while the all-open group is attached; with growing pauses, some 6 s in all. */
const CLOSING_TRIES = 5;
/** How often, and how long apart (milliseconds), the interfaces are read until EC2 shows what was just set. */
const LOOKS = 4;
const LOOK_INTERVAL_MS = 500;

/** The groups of one VPC; a kind that could not be had is there as its failure. */
type VpcGroups = Record<'isolation' | 'untrack', string | ApplicationFailure | undefined>;

/**
 * Isolation at the Internet edge and by security groups: the plan's addresses and interfaces, whatever other layers it has. Fails
 * closed: every address and every interface is dealt with on its own; what fails is reported and undoes nothing that succeeded.
 * @param authority under which it is done, when this is not the plan that was agreed to but a part of it
 * @throws ApplicationFailure, retryable, while another attempt is worth it.
 */
export async function isolateInterfaces(
  member: AccountClients,
  caseId: string,
  plan: ContainmentPlan,
  authority: CustodyFacts['authority'] = { checkpoint: 'isolation', planHash: planHash(plan) },
): Promise<Omit<ContainmentResult, 'layers'>> {
  const { internetEdge, securityGroups: planned } = plan.layers;
  const ids = planned.map((eni) => eni.networkInterfaceId);
  const [groups, edge] = await Promise.all([
    groupsByVpc(member, planned, { caseId, mode: plan.mode, authority }),
    removeFromInternetEdge(member, internetEdge, authority),
  ]);
  const removed = new Set(edge.filter(({ outcome }) => outcome === 'removed').map(({ address }) => address));
  const current = await readUntil(member, ids, (read) =>
    [...read.values()].every((eni) => publicAddresses(eni).every((address) => !removed.has(address))),
  );
  const failures = new Map<string, ApplicationFailure>();
  await Promise.all(
    planned.map(async (eni) => {
      const { networkInterfaceId, vpcId } = eni;
      const failure = await apart(() =>
        isolate(member, eni, current.get(networkInterfaceId), groups.get(vpcId), authority),
      );
      if (failure) failures.set(eni.networkInterfaceId, failure);
    }),
  );

  const isolationGroup = (eni: InterfaceIsolation) => groups.get(eni.vpcId)?.isolation;
  const after = await readUntil(member, ids, (read) =>
    planned.every((eni) => {
      const found = read.get(eni.networkInterfaceId);
      return !found || failures.has(eni.networkInterfaceId) || isOnly(found, isolationGroup(eni));
    }),
  );
  const outcomes = planned.map((eni) =>
    outcomeOf(eni, after.get(eni.networkInterfaceId), isolationGroup(eni), failures.get(eni.networkInterfaceId)),
  );
  throwIfWorthAnotherAttempt(outcomes, failures, groups, after);

  const all = [...outcomes, ...(await unplannedInterfaces(member, plan, ids))];
  const isolated = all.filter(({ outcome }) => outcome === 'isolated').length;
  const whole = isolated === all.length && edge.every(({ outcome }) => outcome === 'removed');
  return {
    outcome: isolated === 0 ? 'failed' : whole ? 'isolated' : 'partially-isolated',
    internetEdge: edge,
    interfaces: all,
    residualPaths: [...plan.residualPaths, ...residualPaths(plan, groups, after)],
    verifiedAt: new Date().toISOString(),
  };
}

/** The groups that the plan needs, by VPC. */
async function groupsByVpc(
  member: AccountClients,
  planned: InterfaceIsolation[],
  { caseId, mode, authority }: { caseId: string; mode: ContainmentMode } & Pick<CustodyFacts, 'authority'>,
): Promise<Map<string, VpcGroups>> {
  const groupOrFailure = async (kind: SecurityGroupKind, vpcId: string): Promise<string | ApplicationFailure> => {
    try {
      return await apart(() => containmentGroup(member, kind, vpcId, caseId, authority));
    } catch (error) {
      if (error instanceof ApplicationFailure) return error;
      throw error;
    }
  };
  const vpcs = [...new Set(planned.map((eni) => eni.vpcId))];
  const entries = await Promise.all(
    vpcs.map(async (vpcId): Promise<[string, VpcGroups]> => {
      const [isolation, untrack] = await Promise.all([
        groupOrFailure(mode === 'full' ? 'isolation-full' : 'isolation', vpcId),
        groupOrFailure('untrack', vpcId),
      ]);
      return [vpcId, { isolation, untrack }];
    }),
  );
  return new Map(entries);
}

/** Isolates one interface. Returns what went wrong instead of throwing it, since the others must go on. */
async function isolate(
  member: AccountClients,
  planned: InterfaceIsolation,
  current: NetworkInterface | undefined,
  groups: VpcGroups | undefined,
  authority: CustodyFacts['authority'],
): Promise<ApplicationFailure | undefined> {
  const id = planned.networkInterfaceId;
  const isolation = groups?.isolation;
  if (!current) return gone(id);
  if (typeof isolation !== 'string') return isolation;
  // As planned, and not as they are now: an earlier attempt may have changed them, and died before it could tell.
  const told = { networkInterfaceId: id, before: planned.groupsBefore, ...(authority && { authority }) };
  if (isOnly(current, isolation)) {
    const isChange = planned.groupsBefore.join() !== isolation;
    noteGroups(told, isolation, 'has the isolation group already, by an earlier attempt or another case', isChange);
    return undefined;
  }

  // An address that could not be taken away, or came after the plan, would make the all-open step an open door.
  const untrack = groups?.untrack;
  const twoSteps = publicAddresses(current).length === 0 && typeof untrack === 'string';
  let opened = isOnly(current, untrack);
  if (twoSteps && !opened) {
    // Without this step open connections may live on; it must never stand in the way of the isolation itself.
    const failure = await setGroup(member, id, untrack, 'untracking connections of', authority);
    opened = failure === undefined || isRetryable(failure);
    if (!failure) noteGroups(told, untrack, 'has an all-open group for a moment, so that open connections end');
  }
  for (let tries = 1; ; tries += 1) {
    const failure = await setGroup(member, id, isolation, 'isolating', authority);
    if (!failure) noteGroups(told, isolation, 'has the isolation group and no other one');
    if (!failure || !opened || !isRetryable(failure) || tries >= CLOSING_TRIES) return failure;
    await sleep(250 * 2 ** tries);
  }
}

function noteGroups(
  {
    networkInterfaceId,
    before,
    authority,
  }: { networkInterfaceId: string; before: string[] } & Pick<CustodyFacts, 'authority'>,
  after: string,
  how: string,
  isChange = true,
): void {
  noteAct({
    message: `Network interface ${networkInterfaceId} ${how} (${after}; before: ${before.join(', ')})`,
    ...(authority && { authority }),
    data: {
      networkInterfaceId,
      before,
      after: [after],
      ...(isChange && {
        changesSuspect: true,
        change: `security groups of network interface ${networkInterfaceId}`,
        reversible: true,
      }),
    },
  });
}

async function setGroup(
  member: AccountClients,
  id: string,
  group: string,
  doing: string,
  authority: CustodyFacts['authority'],
): Promise<ApplicationFailure | undefined> {
  try {
    await awsStep(`${doing} network interface ${id} with security group ${group}`, (options) =>
      member.ec2.send(new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId: id, Groups: [group] }), options),
    );
    return undefined;
  } catch (error) {
    if (!(error instanceof ApplicationFailure)) throw error;
    noteAct({ message: error.message, ...(authority && { authority }), data: { networkInterfaceId: id, group } });
    return error;
  }
}

async function readInterfaces(member: AccountClients, filter: Filter): Promise<Map<string, NetworkInterface>> {
  // By filter: named by id, one interface that is gone would make the whole call fail.
  const { NetworkInterfaces: found } = await awsStep(
    `reading network interfaces by ${filter.Name ?? ''} ${(filter.Values ?? []).join(', ')}`,
    (options) => member.ec2.send(new DescribeNetworkInterfacesCommand({ Filters: [filter] }), options),
  );
  return new Map((found ?? []).map((eni) => [eni.NetworkInterfaceId ?? '', eni]));
}

async function readUntil(
  member: AccountClients,
  ids: string[],
  settled: (read: Map<string, NetworkInterface>) => boolean,
): Promise<Map<string, NetworkInterface>> {
  for (let look = 1; ; look += 1) {
    const read = await readInterfaces(member, { Name: 'network-interface-id', Values: ids });
    if (settled(read) || look >= LOOKS) return read;
    await sleep(LOOK_INTERVAL_MS);
  }
}

const groupIds = (eni: NetworkInterface | undefined): string[] =>
  (eni?.Groups ?? []).flatMap((group) => group.GroupId ?? []).sort();

const isOnly = (eni: NetworkInterface, group: unknown): boolean => {
  const groups = groupIds(eni);
  return groups.length === 1 && groups[0] === group;
};

/** By which somebody outside may reach the interface. */
const publicAddresses = (eni: NetworkInterface): string[] => [
  ...(eni.Ipv6Addresses ?? []).flatMap(({ Ipv6Address }) => Ipv6Address ?? []),
  ...[eni.Association, ...(eni.PrivateIpAddresses ?? []).map((address) => address.Association)].flatMap((association) =>
    [association?.PublicIp, association?.CarrierIp].filter((address) => address !== undefined),
  ),
];

const gone = (id: string): ApplicationFailure =>
  ApplicationFailure.nonRetryable(
    `network interface ${id} no longer exists: it was deleted, or the instance was terminated, after the plan was made`,
    'InvalidRequest',
  );

/** What the last reading says; what a call answered counts only as the reason. */
function outcomeOf(
  planned: InterfaceIsolation,
  read: NetworkInterface | undefined,
  isolationGroup: unknown,
  failure: ApplicationFailure | undefined,
): InterfaceOutcome {
  const { networkInterfaceId, groupsBefore } = planned;
  const groupsAfter = groupIds(read);
  if (read && isOnly(read, isolationGroup)) {
    return { networkInterfaceId, outcome: 'isolated', groupsBefore, groupsAfter };
  }
  const reason = !read
    ? gone(networkInterfaceId).message
    : (failure?.message ??
      `network interface ${networkInterfaceId} was given its isolation group and shows ${groupsAfter.join(', ')}: ` +
        'somebody or something else changes it');
  return { networkInterfaceId, outcome: 'failed', groupsBefore, groupsAfter, reason };
}

/**
 * Another attempt goes on where this one stopped. An interface that was left in the all-open group is never settled for
 * as long as trying again can help; everything else only for a few attempts.
 */
function throwIfWorthAnotherAttempt(
  outcomes: InterfaceOutcome[],
  failures: Map<string, ApplicationFailure>,
  groups: Map<string, VpcGroups>,
  after: Map<string, NetworkInterface>,
): void {
  const untrackGroups = [...groups.values()].map(({ untrack }) => untrack);
  for (const { networkInterfaceId, outcome, reason } of outcomes) {
    if (outcome === 'isolated') continue;
    const read = after.get(networkInterfaceId);
    if (!read) continue;
    const failure = failures.get(networkInterfaceId) ?? ApplicationFailure.retryable(reason, 'Unavailable');
    const open = untrackGroups.some((group) => group !== undefined && isOnly(read, group));
    if (worthAnotherAttempt(failure) || (open && isRetryable(failure))) throw failure;
  }
}

/** Interfaces that were attached after the plan was approved: named, since nobody consented to changing them. */
async function unplannedInterfaces(
  member: AccountClients,
  plan: ContainmentPlan,
  planned: string[],
): Promise<InterfaceOutcome[]> {
  const { instanceId } = plan.target;
  const attached = await readInterfaces(member, { Name: 'attachment.instance-id', Values: [instanceId] });
  return [...attached.values()]
    .filter((eni) => !planned.includes(eni.NetworkInterfaceId ?? ''))
    .map((eni) => ({
      networkInterfaceId: eni.NetworkInterfaceId ?? '',
      outcome: 'failed',
      groupsBefore: groupIds(eni),
      groupsAfter: groupIds(eni),
      reason: `network interface ${eni.NetworkInterfaceId ?? ''} was attached to ${instanceId} after the plan was made and is not isolated: open a case with a new plan`,
    }));
}

function residualPaths(
  { mode, layers: { securityGroups: planned } }: ContainmentPlan,
  groups: Map<string, VpcGroups>,
  after: Map<string, NetworkInterface>,
): string[] {
  const untracked = (eni: InterfaceIsolation): boolean => typeof groups.get(eni.vpcId)?.untrack === 'string';
  const tracked = planned.filter((eni) => !untracked(eni)).map((eni) => eni.networkInterfaceId);
  const reachable = [...after.values()].filter((eni) => publicAddresses(eni).length > 0);
  return [
    ...(mode === 'keep-ssm' ? ['TCP 443 stays open to every address inside the VPC, not to its endpoints alone'] : []),
    ...(tracked.length > 0
      ? [`connections that were open on ${tracked.join(', ')} stay tracked and may live on: the untrack group failed`]
      : []),
    ...reachable.map(
      (eni) =>
        `connections already open on ${eni.NetworkInterfaceId ?? ''} stay tracked and may live on: ` +
        `it still has ${publicAddresses(eni).join(', ')}`,
    ),
  ];
}
