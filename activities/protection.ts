import { CreateTagsCommand, ModifyInstanceAttributeCommand } from '@aws-sdk/client-ec2';
import { ApplicationFailure } from '@temporalio/common';
import type { InstanceFacts, VolumeFacts } from '../domain/instance-facts';
import type { AccountClients, AwsClients } from './aws/clients';
import { awsStep, isRetryable, worthAnotherAttempt } from './aws/errors';
import { CASE_TAG } from './aws/idempotency';
import type { ForensicsConfig } from './config';
import type { ProtectionActivities, ProtectionStep } from './types';

interface Protection {
  step: ProtectionStep['step'];
  /** From triage, never re-read: a repeated attempt must not record our own change as the state before it. */
  before: string;
  alreadySet: boolean;
  set: () => Promise<void>;
}

/**
 * Keeps the instance and its volumes from vanishing: no termination or stop by API, shutdown stops instead of
 * terminating, volumes outlive the instance, and both carry the case's id. All steps run; one that fails is reported.
 *
 * EC2 Auto Scaling and Spot reclaim ignore these protections (Auto Scaling User Guide, "Instance scale-in protection").
 */
export function createProtectionActivities({
  clients,
}: {
  config: ForensicsConfig;
  clients: AwsClients;
}): ProtectionActivities {
  return {
    async protectInstance({ caseId, facts }) {
      const { accountId, region } = facts.target;
      const member = clients.member(accountId, region, 'acquire', caseId);
      const outcomes = await Promise.all(protections(member, caseId, facts).map(carryOut));
      const again = outcomes.find(({ failure }) => failure && worthAnotherAttempt(failure));
      if (again?.failure) throw again.failure;
      return { steps: outcomes.map(({ step }) => step) };
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
      alreadySet: protection.apiTerminationDisabled,
      set: () => modify('setting termination protection', { DisableApiTermination: { Value: true } }),
    },
    {
      step: 'stop-protection',
      before: String(protection.apiStopDisabled),
      alreadySet: protection.apiStopDisabled,
      set: () => modify('setting stop protection', { DisableApiStop: { Value: true } }),
    },
    {
      step: 'shutdown-behavior',
      before: protection.shutdownBehavior,
      alreadySet: protection.shutdownBehavior === 'stop',
      set: () => modify('setting shutdown behaviour to stop', { InstanceInitiatedShutdownBehavior: { Value: 'stop' } }),
    },
    {
      step: 'delete-on-termination',
      before: volumes.map((volume) => `${volume.volumeId}=${String(volume.deleteOnTermination)}`).join(','),
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
  const { step, before } = protection;
  if (protection.alreadySet) return { step: { step, outcome: 'already-set', before } };
  try {
    await protection.set();
    return { step: { step, outcome: 'set', before } };
  } catch (error) {
    if (!(error instanceof ApplicationFailure)) throw error;
    return { step: { step, outcome: 'failed', before, reason: error.message }, failure: error };
  }
}
