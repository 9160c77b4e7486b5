import { CreateTagsCommand, ModifyInstanceAttributeCommand } from '@aws-sdk/client-ec2';
import { ApplicationFailure } from '@temporalio/common';
import type { InstanceFacts, VolumeFacts } from '../domain/instance-facts';
import type { AccountClients, AwsClients } from './aws/clients';
import { awsStep, isRetryable, worthAnotherAttempt } from './aws/errors';
import { CASE_TAG } from './aws/idempotency';
import type { ForensicsConfig } from './config';
import { apart, noteAct } from './custody-acts';
import { enterStandby, protectFromScaleIn } from './protection-auto-scaling';
import type { ProtectionActivities, ProtectionStep } from './types';

interface Protection {
  step: ProtectionStep['step'];
  /** From triage, never re-read: a repeated attempt must not record our own change as the state before it. */
  before: string;
  /** What is different afterwards, as a noun phrase and as a sentence for those who read the custody log. */
  change: string;
  sentence: string;
  alreadySet: boolean;
  set: () => Promise<void>;
}

/**
 * Keeps the instance and its volumes from vanishing: no termination or stop by API, shutdown stops instead of
 * terminating, volumes outlive the instance, and both carry the case's id. All steps run; one that fails is reported.
 *
 * EC2 Auto Scaling ignores them (Auto Scaling User Guide, "Instance scale-in protection") and gets its own: scale-in protection,
 * and standby where it is asked for. A Spot Instance cannot be kept.
 */
export function createProtectionActivities({
  clients,
}: {
  config: ForensicsConfig;
  clients: AwsClients;
}): ProtectionActivities {
  return {
    async protectInstance({ caseId, facts, standby = false }) {
      const { accountId, region } = facts.target;
      const member = clients.member(accountId, region, 'acquire', caseId);
      const outcomes = await Promise.all(protections(member, caseId, facts).map((one) => apart(() => carryOut(one))));
      // One after the other: in standby the group has launched another instance, and scale-in must not take this one.
      for (const protection of groupProtections(member, facts, standby)) outcomes.push(await carryOut(protection));
      const again = outcomes.find(({ failure }) => failure && worthAnotherAttempt(failure));
      if (again?.failure) throw again.failure;
      return { steps: [...outcomes.map(({ step }) => step), ...unprotectable(facts)] };
    },
  };
}

function protections(member: AccountClients, caseId: string, facts: InstanceFacts): Protection[] {
  const { target, protection, volumes, tags } = facts;
  const InstanceId = target.instanceId;
  const modify = async (what: string, change: object): Promise<void> => {
    await awsStep(`${what} on ${InstanceId}`, (options) =>
      member.ec2.send(new ModifyInstanceAttributeCommand({ InstanceId, ...change }), options),
    );
  };
  return [
    {
      step: 'termination-protection',
      before: String(protection.apiTerminationDisabled),
      change: `termination protection of ${InstanceId}`,
      sentence: `Termination protection of ${InstanceId} is on: it cannot be terminated through the EC2 API`,
      alreadySet: protection.apiTerminationDisabled,
      set: () => modify('setting termination protection', { DisableApiTermination: { Value: true } }),
    },
    {
      step: 'stop-protection',
      before: String(protection.apiStopDisabled),
      change: `stop protection of ${InstanceId}`,
      sentence: `Stop protection of ${InstanceId} is on: it cannot be stopped through the EC2 API`,
      alreadySet: protection.apiStopDisabled,
      set: () => modify('setting stop protection', { DisableApiStop: { Value: true } }),
    },
    {
      step: 'shutdown-behavior',
      before: protection.shutdownBehavior,
      change: `shutdown behaviour of ${InstanceId}`,
      sentence: `The shutdown behaviour of ${InstanceId} is "stop": it is not terminated when it shuts itself down`,
      alreadySet: protection.shutdownBehavior === 'stop',
      set: () => modify('setting shutdown behaviour to stop', { InstanceInitiatedShutdownBehavior: { Value: 'stop' } }),
    },
    {
      step: 'delete-on-termination',
      before: volumes.map((volume) => `${volume.volumeId}=${String(volume.deleteOnTermination)}`).join(','),
      change: `DeleteOnTermination of the volumes of ${InstanceId}`,
      sentence: `The volumes of ${InstanceId} stay when it is terminated: DeleteOnTermination is off for each of them`,
      alreadySet: volumes.every((volume) => !volume.deleteOnTermination),
      set: () =>
        keepVolumes(
          volumes.filter((volume) => volume.deleteOnTermination),
          (mappings) => modify('clearing DeleteOnTermination', { BlockDeviceMappings: mappings }),
        ),
    },
    {
      step: 'case-tag',
      before: tags[CASE_TAG] ?? '',
      change: `tag ${CASE_TAG} on ${InstanceId} and its volumes`,
      sentence: `${InstanceId} and its volumes carry the tag ${CASE_TAG} with the id of the case`,
      alreadySet: tags[CASE_TAG] === caseId,
      set: async () => {
        await awsStep(`tagging ${InstanceId} and its volumes with the case`, (options) =>
          member.ec2.send(
            new CreateTagsCommand({
              Resources: [InstanceId, ...volumes.map((volume) => volume.volumeId)],
              Tags: [{ Key: CASE_TAG, Value: caseId }],
            }),
            options,
          ),
        );
      },
    },
  ];
}

/** Of an instance in an Auto Scaling group: neither scale-in nor, in standby, a failed health check ends it. */
function groupProtections(member: AccountClients, facts: InstanceFacts, standby: boolean): Protection[] {
  const { autoScaling, target } = facts;
  if (!autoScaling) return [];
  const { groupName, lifecycleState, protectedFromScaleIn } = autoScaling;
  const { instanceId } = target;
  return [
    {
      step: 'scale-in-protection',
      before: String(protectedFromScaleIn),
      change: `scale-in protection of ${instanceId}`,
      sentence: `Auto Scaling group ${groupName} does not take ${instanceId} when it scales in`,
      alreadySet: protectedFromScaleIn,
      set: () => protectFromScaleIn(member, instanceId, autoScaling, true),
    },
    ...(standby
      ? [
          {
            step: 'standby' as const,
            before: lifecycleState,
            change: `standby of ${instanceId} in Auto Scaling group ${groupName}`,
            sentence: `${instanceId} is in standby in Auto Scaling group ${groupName}, which launches another instance in its place`,
            alreadySet: lifecycleState === 'Standby',
            set: () => enterStandby(member, instanceId),
          },
        ]
      : []),
  ];
}

/** Said, since nothing can be done: AWS takes Spot Instances back with two minutes' notice, whatever protects them. */
function unprotectable({ lifecycle, target }: InstanceFacts): ProtectionStep[] {
  if (lifecycle !== 'spot') return [];
  const reason = `${target.instanceId} is a Spot Instance: AWS may take it back at any time, and no protection keeps it`;
  return [{ step: 'spot-reclaim', outcome: 'not-possible', before: '', reason }];
}

/**
 * One call for all devices. EC2 refuses the whole call when one device was detached meanwhile, so then each device gets
 * a call of its own, and the failure names those that could not be kept.
 */
async function keepVolumes(volumes: VolumeFacts[], clear: (mappings: object[]) => Promise<void>): Promise<void> {
  const mapping = (volume: VolumeFacts) => ({ DeviceName: volume.device, Ebs: { DeleteOnTermination: false } });
  try {
    await clear(volumes.map(mapping));
  } catch (error) {
    if (!(error instanceof ApplicationFailure) || isRetryable(error) || volumes.length === 1) throw error;
    const failures: ApplicationFailure[] = [];
    for (const volume of volumes) {
      try {
        await clear([mapping(volume)]);
      } catch (single) {
        if (!(single instanceof ApplicationFailure)) throw single;
        failures.push(single);
      }
    }
    const [first] = failures;
    if (first) throw first;
  }
}

async function carryOut(protection: Protection): Promise<{ step: ProtectionStep; failure?: ApplicationFailure }> {
  const { step, before, change, sentence } = protection;
  if (protection.alreadySet) {
    noteAct({ message: `${sentence}; it was so before the case, and nothing was changed`, data: { step, before } });
    return { step: { step, outcome: 'already-set', before } };
  }
  try {
    await protection.set();
    const known = before === '' ? 'none' : before;
    noteAct({
      message: `${sentence}. Before: ${known}`,
      data: { step, before, changesSuspect: true, change, reversible: true },
    });
    return { step: { step, outcome: 'set', before } };
  } catch (error) {
    if (!(error instanceof ApplicationFailure)) throw error;
    noteAct({ message: `The ${change} could not be changed: ${error.message}`, data: { step, before } });
    return { step: { step, outcome: 'failed', before, reason: error.message }, failure: error };
  }
}
