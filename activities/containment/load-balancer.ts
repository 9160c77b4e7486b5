import {
  DeregisterTargetsCommand,
  DescribeTargetHealthCommand,
  RegisterTargetsCommand,
  type TargetDescription,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import type { ApplicationFailure } from '@temporalio/common';
import type { TargetState } from '../../domain/containment';
import { awsCode, awsStep } from '../aws/errors';
import { isRegistered } from '../aws/target-groups';
import { noteAct } from '../custody-acts';
import { attemptPart, authorityOf, differs, type Layer, type LayerContext, readUntil } from './layer';

/**
 * Takes the instance out of its target groups, port by port. Open connections drain for as long as the group's
 * deregistration delay says (300 s by default), which the security groups may end sooner.
 */
export const loadBalancer: Layer<'load-balancer'> = {
  async read(context) {
    return {
      targets: await Promise.all((context.plan.layers.loadBalancer ?? []).map((one) => readTarget(context, one))),
    };
  },

  fromPlan({ plan }) {
    return {
      targets: (plan.layers.loadBalancer ?? []).map((one) => ({ ...one, registered: true, state: 'unread' })),
    };
  },

  async apply(context, before) {
    const planned = before.targets.filter(({ registered }) => registered);
    if (planned.length === 0) return { after: before, parts: 0, missing: [], failures: [] };
    const failures = new Map<string, ApplicationFailure>();
    const current = await loadBalancer.read(context);
    for (const one of planned) {
      // An earlier attempt did it, or standby in the Auto Scaling group.
      if (current.targets.some((now) => keyOf(now) === keyOf(one) && !now.registered)) continue;
      const failure = await attemptPart(() => deregister(context, one));
      if (failure) failures.set(keyOf(one), failure);
    }
    const after = await readUntil(
      () => loadBalancer.read(context),
      ({ targets }) => targets.every((one) => !one.registered || failures.has(keyOf(one))),
    );
    const missing = after.targets
      .filter(({ registered }) => registered)
      .map(
        (one) =>
          failures.get(keyOf(one))?.message ??
          `${one.targetId}:${one.port} was deregistered from ${one.targetGroupArn} and is still shown there`,
      );
    return {
      after,
      parts: planned.length,
      missing,
      failures: [...failures.values()],
      residualPaths: after.targets
        .filter(({ state }) => state === 'draining')
        .map(({ targetGroupArn }) => `open connections through target group ${targetGroupArn} drain`),
    };
  },

  async undo(context, before, after) {
    const current = await loadBalancer.read(context);
    const taken = before.targets.filter(
      (one) => one.registered && after.targets.some((other) => keyOf(other) === keyOf(one) && !other.registered),
    );
    if (taken.length === 0) return { outcome: 'restored' };
    const left = taken.filter((one) => current.targets.some((now) => keyOf(now) === keyOf(one) && now.state !== GONE));
    if (left.length === 0) return { outcome: 'gone' };
    for (const one of left) {
      if (current.targets.some((now) => keyOf(now) === keyOf(one) && now.registered)) continue;
      await register(context, one);
    }
    const restored = await readUntil(
      () => loadBalancer.read(context),
      ({ targets }) => targets.every(({ registered, state }) => registered || state === GONE),
    );
    const lost = left.filter((one) => restored.targets.some((now) => keyOf(now) === keyOf(one) && !now.registered));
    return lost.length === 0
      ? { outcome: 'restored' }
      : differs(lost.map((one) => `${one.targetId}:${one.port} is not shown in ${one.targetGroupArn}`).join('; '));
  },
};

const GONE = 'gone';
const keyOf = ({ targetGroupArn, targetId, port }: Pick<TargetState, 'targetGroupArn' | 'targetId' | 'port'>): string =>
  `${targetGroupArn} ${targetId}:${port}`;

type Registration = Omit<TargetState, 'registered' | 'state'>;

const targetOf = ({ targetId, port, availabilityZone }: Registration): TargetDescription => ({
  Id: targetId,
  Port: port,
  ...(availabilityZone !== undefined && { AvailabilityZone: availabilityZone }),
});

async function readTarget({ member }: LayerContext, one: Registration): Promise<TargetState> {
  const { targetGroupArn, targetId, port, availabilityZone } = one;
  const registration = { targetGroupArn, targetId, port, ...(availabilityZone !== undefined && { availabilityZone }) };
  try {
    const { TargetHealthDescriptions } = await awsStep(`reading ${targetId}:${port} of ${targetGroupArn}`, (options) =>
      member.loadBalancing.send(
        new DescribeTargetHealthCommand({ TargetGroupArn: targetGroupArn, Targets: [targetOf(one)] }),
        options,
      ),
    );
    const [described] = TargetHealthDescriptions ?? [];
    return {
      ...registration,
      registered: described !== undefined && isRegistered(described),
      state: described?.TargetHealth?.State ?? 'unused',
    };
  } catch (error) {
    if (awsCode(error)?.startsWith('TargetGroupNotFound')) return { ...registration, registered: false, state: GONE };
    if (awsCode(error)?.startsWith('InvalidTarget')) return { ...registration, registered: false, state: 'unused' };
    throw error;
  }
}

async function deregister({ member, plan }: LayerContext, one: Registration): Promise<void> {
  const { targetGroupArn, targetId, port } = one;
  await awsStep(`deregistering ${targetId}:${port} from ${targetGroupArn}`, (options) =>
    member.loadBalancing.send(
      new DeregisterTargetsCommand({ TargetGroupArn: targetGroupArn, Targets: [targetOf(one)] }),
      options,
    ),
  ).catch((error: unknown) => {
    // Not registered (any more): that is what is wanted.
    if (!/^(InvalidTarget|TargetGroupNotFound)/.test(awsCode(error) ?? '')) throw error;
  });
  noteAct({
    message: `${targetId} is deregistered from target group ${targetGroupArn} on port ${port}`,
    authority: authorityOf(plan),
    data: {
      ...one,
      changesSuspect: true,
      change: `registration of ${targetId} in target group ${targetGroupArn}`,
      reversible: true,
    },
  });
}

async function register({ member }: LayerContext, one: Registration): Promise<void> {
  const { targetGroupArn, targetId, port } = one;
  await awsStep(`registering ${targetId}:${port} in ${targetGroupArn}`, (options) =>
    member.loadBalancing.send(
      new RegisterTargetsCommand({ TargetGroupArn: targetGroupArn, Targets: [targetOf(one)] }),
      options,
    ),
  );
  noteAct({
    message: `${targetId} is registered in target group ${targetGroupArn} on port ${port} again`,
    data: {
      ...one,
      changesSuspect: true,
      change: `registration of ${targetId} in target group ${targetGroupArn}`,
      reversible: true,
    },
  });
}
