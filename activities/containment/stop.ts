import { ModifyInstanceAttributeCommand, StartInstancesCommand, StopInstancesCommand } from '@aws-sdk/client-ec2';
import { type ApplicationFailure } from '@temporalio/common';
import { awsStep } from '../aws/errors';
import { readInstanceAttributes } from '../aws/instance-attributes';
import { notReady, waitedMs } from '../aws/polling';
import { noteAct } from '../custody-acts';
import { attemptPart, authorityOf, differs, type Layer, type LayerContext, readInstance } from './layer';

/** The next look at an instance that is stopping; some take minutes. */
const POLLING = { minimumSeconds: 2, maximumSeconds: 15 };

/**
 * Stops the instance. Protection has forbidden that to everybody (DisableApiStop), so the protection is lifted for the call and
 * put back after it: whoever starts the instance finds it protected.
 */
export const stop: Layer<'stop'> = {
  async read(context) {
    const { member, plan } = context;
    const unreadable: string[] = [];
    const [instance, attributes] = await Promise.all([
      readInstance(context),
      readInstanceAttributes(member, plan.target.instanceId, unreadable),
    ]);
    return { state: instance?.State?.Name ?? 'terminated', apiStopDisabled: attributes.apiStopDisabled };
  },

  fromPlan() {
    return { state: 'running', apiStopDisabled: true };
  },

  async apply(context, before) {
    const { instanceId } = context.plan.target;
    if (before.state === 'stopped' || before.state === 'terminated')
      return { after: before, parts: 0, missing: [], failures: [] };
    const current = await stop.read(context);
    const failures: ApplicationFailure[] = [];
    if (current.state === 'running' || current.state === 'pending') {
      const failure = await attemptPart(() => stopInstance(context, current.apiStopDisabled));
      if (failure) failures.push(failure);
    }
    if (before.apiStopDisabled) {
      const failure = await attemptPart(() => setStopProtection(context, true));
      if (failure) failures.push(failure);
    }
    const after = await stop.read(context);
    if (after.state === 'stopping') throw notReady(`${instanceId} is stopping`, waitedMs(), POLLING);
    const missing = after.state === 'stopped' ? [] : [failures[0]?.message ?? `${instanceId} is ${after.state}`];
    return { after, parts: 1, missing, failures };
  },

  async undo(context, before, after) {
    const { instanceId: InstanceId } = context.plan.target;
    const current = await stop.read(context);
    if (current.state === 'terminated') return { outcome: 'gone' };
    if (before.state !== 'running') return { outcome: 'restored' };
    if (current.state === 'running') return { outcome: 'restored' };
    if (current.state === 'pending') throw notReady(`${InstanceId} is starting`, waitedMs(), POLLING);
    if (current.state !== after.state)
      return differs(`${InstanceId} is ${current.state} where containment left it ${after.state}`);
    await awsStep(`starting ${InstanceId}`, (options) =>
      context.member.ec2.send(new StartInstancesCommand({ InstanceIds: [InstanceId] }), options),
    );
    noteAct({
      message: `Instance ${InstanceId} is started again`,
      data: { changesSuspect: true, change: `run state of ${InstanceId}`, reversible: false },
    });
    throw notReady(`${InstanceId} is starting`, waitedMs(), POLLING);
  },
};

async function stopInstance(context: LayerContext, stopProtected: boolean): Promise<void> {
  const { member, plan } = context;
  const { instanceId } = plan.target;
  if (stopProtected) await setStopProtection(context, false);
  await awsStep(`stopping ${instanceId}`, (options) =>
    member.ec2.send(new StopInstancesCommand({ InstanceIds: [instanceId] }), options),
  );
  noteAct({
    message: `Instance ${instanceId} is stopped: its memory and its instance store volumes are lost`,
    authority: authorityOf(plan),
    data: { changesSuspect: true, change: `run state of ${instanceId}`, reversible: false },
  });
}

async function setStopProtection({ member, plan }: LayerContext, on: boolean): Promise<void> {
  const { instanceId: InstanceId } = plan.target;
  await awsStep(`${on ? 'setting' : 'lifting'} stop protection of ${InstanceId}`, (options) =>
    member.ec2.send(new ModifyInstanceAttributeCommand({ InstanceId, DisableApiStop: { Value: on } }), options),
  );
}
