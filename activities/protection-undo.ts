import {
  CreateTagsCommand,
  DeleteTagsCommand,
  DescribeVolumesCommand,
  type Instance,
  ModifyInstanceAttributeCommand,
} from '@aws-sdk/client-ec2';
import { ApplicationFailure } from '@temporalio/common';
import type { InstanceFacts } from '../domain/instance-facts';
import type { AccountClients, AwsClients } from './aws/clients';
import { awsStep, isRetryable } from './aws/errors';
import { CASE_TAG } from './aws/idempotency';
import { readInstanceAttributes } from './aws/instance-attributes';
import type { ForensicsConfig } from './config';
import { readInstanceById } from './containment/layer';
import { noteAct } from './custody-acts';
import { exitStandby, protectFromScaleIn, readGroupMember } from './protection-auto-scaling';
import type { ProtectionStep, ProtectionUndo, ProtectionUndoActivities } from './types';

interface UndoContext {
  member: AccountClients;
  caseId: string;
  facts: InstanceFacts;
  instance: Instance | undefined;
}

type Undone = Omit<ProtectionUndo, 'step'>;
const RESTORED: Undone = { outcome: 'restored' };

export function createProtectionUndoActivities({
  clients,
}: {
  config: ForensicsConfig;
  clients: AwsClients;
}): ProtectionUndoActivities {
  return {
    async undoProtection({ caseId, facts, steps }) {
      const { accountId, region, instanceId } = facts.target;
      const member = clients.member(accountId, region, 'acquire', caseId);
      const context: UndoContext = { member, caseId, facts, instance: await readInstanceById(member, instanceId) };
      const undone: ProtectionUndo[] = [];
      for (const { step, before } of steps.filter(({ outcome }) => outcome === 'set').reverse()) {
        undone.push({ step, ...(await carryOut(context, step, before)) });
      }
      return { steps: undone };
    },
  };
}

async function carryOut(context: UndoContext, step: ProtectionStep['step'], before: string): Promise<Undone> {
  // Volumes outlive the instance, and with them their tags.
  if (!context.instance && step !== 'case-tag') return { outcome: 'gone' };
  try {
    const undone = await undo(context, step, before);
    if (undone.outcome === 'restored')
      noteAct({
        message: `Protection of ${context.facts.target.instanceId} was taken back: ${step} (${before === '' ? 'none' : before})`,
        data: {
          step,
          after: before,
          changesSuspect: true,
          change: `${step} of ${context.facts.target.instanceId}`,
          reversible: true,
        },
      });
    return undone;
  } catch (error) {
    if (!(error instanceof ApplicationFailure) || isRetryable(error)) throw error;
    return { outcome: 'failed', difference: error.message };
  }
}

function undo(context: UndoContext, step: ProtectionStep['step'], before: string): Promise<Undone> {
  switch (step) {
    case 'termination-protection':
    case 'stop-protection':
    case 'shutdown-behavior':
      return undoAttribute(context, step);
    case 'delete-on-termination':
      return undoDeleteOnTermination(context);
    case 'case-tag':
      return undoTag(context, before);
    case 'scale-in-protection':
      return undoScaleInProtection(context);
    case 'standby':
      return undoStandby(context);
    case 'spot-reclaim':
      return Promise.resolve(RESTORED);
  }
}

/** Only a protection that was off before is ever set, so that `off` is what it goes back to. */
async function undoAttribute(
  { member, facts }: UndoContext,
  step: 'termination-protection' | 'stop-protection' | 'shutdown-behavior',
): Promise<Undone> {
  const { instanceId: InstanceId } = facts.target;
  const unreadable: string[] = [];
  const now = await readInstanceAttributes(member, InstanceId, unreadable);
  if (unreadable.length > 0) return { outcome: 'failed', difference: unreadable.join('; ') };
  const { isBack, change } = {
    'termination-protection': {
      isBack: !now.apiTerminationDisabled,
      change: { DisableApiTermination: { Value: false } },
    },
    'stop-protection': { isBack: !now.apiStopDisabled, change: { DisableApiStop: { Value: false } } },
    'shutdown-behavior': {
      isBack: now.shutdownBehavior === 'terminate',
      change: { InstanceInitiatedShutdownBehavior: { Value: 'terminate' } },
    },
  }[step];
  if (!isBack) {
    await awsStep(`taking ${step} of ${InstanceId} back`, (options) =>
      member.ec2.send(new ModifyInstanceAttributeCommand({ InstanceId, ...change }), options),
    );
  }
  return RESTORED;
}

async function undoDeleteOnTermination({ member, facts, instance }: UndoContext): Promise<Undone> {
  const { instanceId: InstanceId } = facts.target;
  const lost: string[] = [];
  const mappings = facts.volumes
    .filter(({ deleteOnTermination }) => deleteOnTermination)
    .flatMap(({ volumeId, device }) => {
      const now = instance?.BlockDeviceMappings?.find(({ DeviceName }) => DeviceName === device);
      if (now?.Ebs?.VolumeId === volumeId)
        return now.Ebs.DeleteOnTermination === true ? [] : [{ DeviceName: device, Ebs: { DeleteOnTermination: true } }];
      lost.push(`${device} has ${now?.Ebs?.VolumeId ?? 'no volume'} in place of ${volumeId}`);
      return [];
    });
  if (mappings.length > 0) {
    await awsStep(`setting DeleteOnTermination of ${InstanceId} again`, (options) =>
      member.ec2.send(new ModifyInstanceAttributeCommand({ InstanceId, BlockDeviceMappings: mappings }), options),
    );
  }
  return lost.length > 0 ? { outcome: 'differs', difference: lost.join('; ') } : RESTORED;
}

async function undoTag({ member, caseId, facts, instance }: UndoContext, before: string): Promise<Undone> {
  const { instanceId } = facts.target;
  const { Volumes: volumes } = await awsStep(`reading the volumes of the case`, (options) =>
    member.ec2.send(
      new DescribeVolumesCommand({
        Filters: [
          { Name: 'volume-id', Values: facts.volumes.map(({ volumeId }) => volumeId) },
          { Name: `tag:${CASE_TAG}`, Values: [caseId] },
        ],
      }),
      options,
    ),
  );
  const tagged = instance?.Tags?.some(({ Key, Value }) => Key === CASE_TAG && Value === caseId) === true;
  const Resources = [...(tagged ? [instanceId] : []), ...(volumes ?? []).flatMap(({ VolumeId }) => VolumeId ?? [])];
  if (Resources.length > 0) {
    await awsStep(`taking the tag of the case off ${Resources.join(', ')}`, (options) =>
      before === ''
        ? member.ec2.send(new DeleteTagsCommand({ Resources, Tags: [{ Key: CASE_TAG, Value: caseId }] }), options)
        : member.ec2.send(new CreateTagsCommand({ Resources, Tags: [{ Key: CASE_TAG, Value: before }] }), options),
    );
  }
  return RESTORED;
}

async function undoScaleInProtection({ member, facts }: UndoContext): Promise<Undone> {
  const { instanceId } = facts.target;
  const now = await readGroupMember(member, instanceId);
  if (!now) return leftTheGroup(facts);
  if (now.protectedFromScaleIn) await protectFromScaleIn(member, instanceId, now, false);
  return RESTORED;
}

async function undoStandby({ member, facts }: UndoContext): Promise<Undone> {
  const { instanceId } = facts.target;
  const now = await readGroupMember(member, instanceId);
  if (!now) return leftTheGroup(facts);
  const difference =
    `the desired capacity of Auto Scaling group ${now.groupName} is one higher than before: standby made the group launch an ` +
    'instance in place of this one, and both are in it now';
  if (now.lifecycleState === 'InService' || now.lifecycleState === 'Pending') return { ...RESTORED, difference };
  if (now.lifecycleState !== 'Standby')
    return { outcome: 'differs', difference: `${instanceId} is ${now.lifecycleState} in ${now.groupName}` };
  await exitStandby(member, instanceId, now.groupName);
  return { ...RESTORED, difference };
}

const leftTheGroup = ({ target, autoScaling }: InstanceFacts): Undone => ({
  outcome: 'differs',
  difference: `${target.instanceId} is no longer in Auto Scaling group ${autoScaling?.groupName ?? 'unknown'}`,
});
