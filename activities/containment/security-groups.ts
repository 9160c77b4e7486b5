import { DescribeNetworkInterfacesCommand, ModifyNetworkInterfaceAttributeCommand } from '@aws-sdk/client-ec2';
import type { ApplicationFailure } from '@temporalio/common';
import type { ContainmentPlan, InterfaceGroupsState } from '../../domain/containment';
import type { CustodyFacts } from '../../domain/custody/facts';
import { awsStep } from '../aws/errors';
import { isolateInterfaces } from '../containment';
import { noteAct } from '../custody-acts';
import { attemptPart, authorityOf, differs, type Layer, type LayerContext, readUntil } from './layer';

/** The least that an interface takes. Source: EC2 User Guide, "Security group connection tracking", idle timeouts. */
const SHORTEST_TIMEOUT_SECONDS = 60;
/** What counts when it was never set, on all instance types before Nitro v6 (350 there). Same source. */
const DEFAULT_TIMEOUT_SECONDS = 432_000;

/** The isolation group on every interface, and the shortest timeout for connections that stay tracked all the same. */
export const securityGroups: Layer<'security-groups'> = {
  async read({ member, plan }) {
    const planned = plan.layers.securityGroups;
    if (planned.length === 0) return { interfaces: [] };
    const ids = planned.map((eni) => eni.networkInterfaceId);
    const { NetworkInterfaces: found } = await awsStep(`reading network interfaces ${ids.join(', ')}`, (options) =>
      member.ec2.send(
        new DescribeNetworkInterfacesCommand({ Filters: [{ Name: 'network-interface-id', Values: ids }] }),
        options,
      ),
    );
    return {
      interfaces: planned.map(({ networkInterfaceId, vpcId }): InterfaceGroupsState => {
        const eni = found?.find((one) => one.NetworkInterfaceId === networkInterfaceId);
        const timeout = eni?.ConnectionTrackingConfiguration?.TcpEstablishedTimeout;
        return {
          networkInterfaceId,
          vpcId,
          groups: (eni?.Groups ?? []).flatMap(({ GroupId }) => GroupId ?? []).sort(),
          ...(timeout !== undefined && { tcpEstablishedTimeoutSeconds: timeout }),
          ...(eni === undefined && { gone: true }),
        };
      }),
    };
  },

  fromPlan({ plan }) {
    return {
      interfaces: plan.layers.securityGroups.map(({ networkInterfaceId, vpcId, groupsBefore }) => ({
        networkInterfaceId,
        vpcId,
        groups: groupsBefore,
      })),
    };
  },

  async apply(context, before) {
    const { member, plan, caseId } = context;
    if (plan.layers.securityGroups.length === 0) return { after: before, parts: 0, missing: [], failures: [] };
    const shortening = await shortenTimeouts(
      context,
      (await securityGroups.read(context)).interfaces,
      before.interfaces,
    );
    const result = await isolateInterfaces(member, caseId, groupsOnly(plan), authorityOf(plan));
    const after = await readUntil(
      () => securityGroups.read(context),
      ({ interfaces }) => interfaces.every((eni) => eni.gone || shortening.has(eni.networkInterfaceId) || isShort(eni)),
    );
    const long = after.interfaces.filter((eni) => !eni.gone && !isShort(eni));
    return {
      after,
      parts: result.interfaces.length,
      missing: result.interfaces
        .filter(({ outcome }) => outcome === 'failed')
        .map((eni) => eni.reason ?? `network interface ${eni.networkInterfaceId} is not isolated`),
      // An interface that is isolated and keeps tracked connections longer is isolated: tried again, but no failure.
      failures: [...shortening.values()],
      residualPaths: [
        ...result.residualPaths,
        ...long.map(
          ({ networkInterfaceId, tcpEstablishedTimeoutSeconds: seconds = DEFAULT_TIMEOUT_SECONDS }) =>
            `tracked TCP connections of ${networkInterfaceId} live on for up to ${seconds} seconds of silence`,
        ),
      ],
    };
  },

  async undo(context, before, after) {
    const current = await securityGroups.read(context);
    const was = new Map(before.interfaces.map((eni) => [eni.networkInterfaceId, eni]));
    const left = new Map(after.interfaces.map((eni) => [eni.networkInterfaceId, eni]));
    const there = current.interfaces.filter((eni) => !eni.gone);
    if (there.length === 0 && current.interfaces.length > 0) return { outcome: 'gone' };
    const restore = there.flatMap((now) => {
      const [old, ours] = [was.get(now.networkInterfaceId), left.get(now.networkInterfaceId)];
      return old && ours && !old.gone ? [{ now, old, ours }] : [];
    });
    const strange = restore.filter(({ now, old, ours }) => !sameGroups(now, old) && !sameGroups(now, ours));
    if (strange.length > 0)
      return differs(
        strange
          .map(
            ({ now, ours }) =>
              `network interface ${now.networkInterfaceId} has ${now.groups.join(', ')} where containment left ${ours.groups.join(', ')}`,
          )
          .join('; '),
      );
    for (const { now, old, ours } of restore) await giveGroupsBack(context, now, old, ours);
    const restored = await readUntil(
      () => securityGroups.read(context),
      ({ interfaces }) => interfaces.every((eni) => eni.gone || isAs(eni, was.get(eni.networkInterfaceId))),
    );
    const wrong = restored.interfaces.filter((eni) => !eni.gone && !isAs(eni, was.get(eni.networkInterfaceId)));
    return wrong.length === 0
      ? { outcome: 'restored' }
      : differs(wrong.map((eni) => `${eni.networkInterfaceId} shows ${eni.groups.join(', ')}`).join('; '));
  },
};

const isShort = (eni: InterfaceGroupsState): boolean => eni.tcpEstablishedTimeoutSeconds === SHORTEST_TIMEOUT_SECONDS;
const sameGroups = (one: InterfaceGroupsState, other: InterfaceGroupsState): boolean =>
  one.groups.join() === other.groups.join();
const isAs = (eni: InterfaceGroupsState, wanted: InterfaceGroupsState | undefined): boolean =>
  wanted === undefined || wanted.gone === true || sameGroups(eni, wanted);

/** The same plan with its addresses left to the layer before; what it lists as residual is told by the whole plan already. */
const groupsOnly = (plan: ContainmentPlan): ContainmentPlan => ({
  ...plan,
  layers: { ...plan.layers, internetEdge: [] },
  residualPaths: [],
});

/** Those that failed, by interface. */
async function shortenTimeouts(
  context: LayerContext,
  interfaces: InterfaceGroupsState[],
  before: InterfaceGroupsState[],
): Promise<Map<string, ApplicationFailure>> {
  const failures = new Map<string, ApplicationFailure>();
  const shortBefore = new Set(before.filter(isShort).map(({ networkInterfaceId }) => networkInterfaceId));
  await Promise.all(
    interfaces.map(async (eni) => {
      if (eni.gone) return;
      if (isShort(eni)) {
        // An earlier attempt has set it, and died before it could tell.
        if (!shortBefore.has(eni.networkInterfaceId))
          noteTimeout(eni.networkInterfaceId, SHORTEST_TIMEOUT_SECONDS, authorityOf(context.plan));
        return;
      }
      const failure = await attemptPart(() =>
        setTimeoutOf(context, eni.networkInterfaceId, SHORTEST_TIMEOUT_SECONDS, authorityOf(context.plan)),
      );
      if (failure) failures.set(eni.networkInterfaceId, failure);
    }),
  );
  return failures;
}

async function setTimeoutOf(
  { member }: LayerContext,
  id: string,
  seconds: number,
  authority?: CustodyFacts['authority'],
): Promise<void> {
  await awsStep(`setting the TCP timeout of network interface ${id} to ${seconds} seconds`, (options) =>
    member.ec2.send(
      new ModifyNetworkInterfaceAttributeCommand({
        NetworkInterfaceId: id,
        ConnectionTrackingSpecification: { TcpEstablishedTimeout: seconds },
      }),
      options,
    ),
  );
  noteTimeout(id, seconds, authority);
}

function noteTimeout(id: string, seconds: number, authority?: CustodyFacts['authority']): void {
  noteAct({
    message: `Network interface ${id} forgets tracked TCP connections after ${seconds} seconds of silence`,
    ...(authority && { authority }),
    data: {
      networkInterfaceId: id,
      changesSuspect: true,
      change: `TCP timeout of network interface ${id}`,
      reversible: true,
    },
  });
}

/** Groups last: while the isolation group is there, a longer timeout lets nothing through. */
async function giveGroupsBack(
  context: LayerContext,
  now: InterfaceGroupsState,
  old: InterfaceGroupsState,
  ours: InterfaceGroupsState,
): Promise<void> {
  const { networkInterfaceId: id, groups } = old;
  const wanted = old.tcpEstablishedTimeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
  const changed = ours.tcpEstablishedTimeoutSeconds !== old.tcpEstablishedTimeoutSeconds;
  if (changed && now.tcpEstablishedTimeoutSeconds === ours.tcpEstablishedTimeoutSeconds)
    await setTimeoutOf(context, id, wanted);
  if (sameGroups(now, old)) return;
  await awsStep(`giving network interface ${id} its security groups ${groups.join(', ')} back`, (options) =>
    context.member.ec2.send(
      new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId: id, Groups: groups }),
      options,
    ),
  );
  noteAct({
    message: `Network interface ${id} has its own security groups again (${groups.join(', ')}; before: ${now.groups.join(', ')})`,
    data: {
      networkInterfaceId: id,
      before: now.groups,
      after: groups,
      changesSuspect: true,
      change: `security groups of network interface ${id}`,
      reversible: true,
    },
  });
}
