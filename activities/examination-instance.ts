import { ApplicationFailure } from '@temporalio/common';
import {
  type _InstanceType,
  DescribeInstancesCommand,
  type Instance,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { DescribeInstanceInformationCommand } from '@aws-sdk/client-ssm';
import type { Exhibit } from '../domain/evidence';
import type { AwsClients } from './aws/clients';
import { awsCode, awsStep } from './aws/errors';
import { clientToken, operationOf } from './aws/idempotency';
import { notReady, waitedMs } from './aws/polling';
import type { ForensicsConfig } from './config';
import { noteAct } from './custody-acts';
import { clientsOfEvidence, describeInstance, type Ec2, madeFor, pollShortly, tagsFor } from './examination-resources';
import { deleteIfFree, findVolumes } from './examination-volume';
import type { ExaminationActivities } from './types';

/** What another instance type helps against. Source: EC2 API Reference, "Error codes". */
const NO_CAPACITY = /^(InsufficientInstanceCapacity|InsufficientHostCapacity|Unsupported)$/;
/** EC2 is eventually consistent: an instance that was just started may be unknown this long. */
const UNKNOWN_FOR_MS = 60_000;

type InstanceActivities = Pick<
  ExaminationActivities,
  'launchForensicInstance' | 'awaitForensicInstance' | 'releaseForensicInstance'
>;

/** The machine on which an exhibit is examined. */
export function createForensicInstanceActivities(dependencies: {
  config: ForensicsConfig;
  clients: AwsClients;
}): InstanceActivities {
  const { config, clients } = dependencies;
  const own = (region: string) => clientsOfEvidence(config, clients, region);

  const launchForensicInstance: InstanceActivities['launchForensicInstance'] = async ({ caseId, region, exhibit }) => {
    const { ec2 } = own(region);
    const [existing] = (await findInstances(ec2, caseId, exhibit.id)).filter((instance) => !isEnding(instance));
    if (existing) {
      noteLaunch(exhibit, existing, 'was launched by an earlier attempt');
      return forensicInstanceOf(existing);
    }

    const { imageId, instanceTypes, subnetId, securityGroupId, instanceProfileName } = config.forensicInstance;
    const operation = operationOf(caseId, 'forensic-instance', exhibit.id);
    const tags = tagsFor(caseId, operation, exhibit.id);
    const refusals: string[] = [];
    for (const instanceType of instanceTypes) {
      try {
        const { Instances } = await awsStep(`RunInstances (${instanceType}) for exhibit ${exhibit.id}`, (options) =>
          ec2.send(
            new RunInstancesCommand({
              // The same token with another type would be refused: each type has its own.
              ClientToken: clientToken(operation, instanceType),
              ImageId: imageId,
              InstanceType: instanceType as _InstanceType,
              MinCount: 1,
              MaxCount: 1,
              NetworkInterfaces: [
                {
                  DeviceIndex: 0,
                  SubnetId: subnetId,
                  Groups: [securityGroupId],
                  AssociatePublicIpAddress: false,
                  DeleteOnTermination: true,
                },
              ],
              MetadataOptions: { HttpTokens: 'required', HttpEndpoint: 'enabled', HttpPutResponseHopLimit: 1 },
              InstanceInitiatedShutdownBehavior: 'terminate',
              ...(instanceProfileName !== undefined && { IamInstanceProfile: { Name: instanceProfileName } }),
              TagSpecifications: [
                { ResourceType: 'instance', Tags: tags },
                { ResourceType: 'volume', Tags: tags },
              ],
            }),
            options,
          ),
        );
        const launched = Instances?.[0];
        if (launched) {
          noteLaunch(exhibit, launched, 'was launched');
          return forensicInstanceOf(launched);
        }
        refusals.push(`${instanceType}: no instance in the answer`);
      } catch (error) {
        const code = awsCode(error);
        if (code === undefined || !NO_CAPACITY.test(code)) throw error;
        refusals.push(`${instanceType}: ${code}`);
      }
    }
    throw ApplicationFailure.create({
      message: `no forensic instance for exhibit ${exhibit.id} could be started (${refusals.join('; ')}): add instance types or another zone`,
      type: 'Unavailable',
      nextRetryDelay: '60s',
    });
  };

  const awaitForensicInstance: InstanceActivities['awaitForensicInstance'] = async ({ region, instance }) => {
    const { ec2, ssm } = own(region);
    const { instanceId } = instance;
    const { InstanceInformationList: list } = await awsStep(`DescribeInstanceInformation of ${instanceId}`, (options) =>
      ssm.send(
        new DescribeInstanceInformationCommand({ Filters: [{ Key: 'InstanceIds', Values: [instanceId] }] }),
        options,
      ),
    );
    const agent = list?.find((information) => information.InstanceId === instanceId);
    // An agent that is online says that its instance runs; EC2 is asked why it is not.
    if (agent?.PingStatus === 'Online') return;
    const found = await describeInstance(ec2, instanceId);
    const state = found?.State?.Name ?? 'unknown';
    if (!found && waitedMs() > UNKNOWN_FOR_MS) {
      throw ApplicationFailure.nonRetryable(
        `forensic instance ${instanceId} does not exist (any more)`,
        'InstanceNotFound',
      );
    }
    if (found && isEnding(found)) {
      const reason = found.StateReason?.Message ?? 'no reason given';
      throw ApplicationFailure.nonRetryable(
        `forensic instance ${instanceId} is ${state} (${reason}): check the forensic image and the evidence key's policy`,
        'AgentUnavailable',
      );
    }
    throw notReady(
      `forensic instance ${instanceId} is ${state}, its SSM agent is not online yet`,
      waitedMs(),
      config.polling,
    );
  };

  const releaseForensicInstance: InstanceActivities['releaseForensicInstance'] = async (input) => {
    const { caseId, region, exhibitId } = input;
    const { ec2 } = own(region);
    const asked = new Set<string>();
    await pollShortly(`forensic instance and volume of exhibit ${exhibitId}`, async () => {
      const instances = await findInstances(ec2, caseId, exhibitId);
      const toEnd = instances.filter((one) => !isEnding(one) || one.State?.Name?.startsWith('stop')).map(idOf);
      const fresh = toEnd.filter((id) => !asked.has(id));
      if (fresh.length > 0) {
        await awsStep(`TerminateInstances ${fresh.join(', ')}`, (options) =>
          ec2.send(new TerminateInstancesCommand({ InstanceIds: fresh }), options),
        );
        fresh.forEach((id) => asked.add(id));
        noteAct({
          message: `The forensic instance of exhibit ${exhibitId} is ended: ${fresh.join(', ')}`,
          data: { exhibitId, instanceIds: fresh },
        });
      }
      const terminated = new Set(instances.filter((one) => one.State?.Name === 'terminated').map(idOf));
      const volumes = await findVolumes(ec2, caseId, exhibitId);
      for (const volume of volumes) await deleteIfFree(ec2, volume, terminated);
      const running = instances.length - terminated.size;
      return {
        done: running === 0 && volumes.length === 0,
        state: `${running} instances, ${volumes.length} volumes left`,
      };
    });
    // Told by whichever attempt sees it: the one that ended them may have died before it could tell.
    noteAct({
      message: `Of exhibit ${exhibitId} no forensic instance runs and no working volume is left`,
      data: { exhibitId },
    });
  };

  return {
    launchForensicInstance,
    awaitForensicInstance,
    releaseForensicInstance,
  };
}

function noteLaunch({ id, kind, source }: Exhibit, instance: Instance, how: string): void {
  const { ImageId: imageId, InstanceType: instanceType } = instance;
  noteAct({
    message: `Forensic instance ${idOf(instance)} ${how} to examine exhibit ${id}, from image ${imageId ?? 'not known'}, without a public address`,
    exhibit: { id, kind, source },
    data: { instanceId: idOf(instance), ...(imageId && { imageId }), ...(instanceType && { instanceType }) },
  });
}

const idOf = (instance: Instance): string => instance.InstanceId ?? '';

const isEnding = (instance: Instance): boolean =>
  ['shutting-down', 'terminated', 'stopping', 'stopped'].includes(instance.State?.Name ?? '');

function forensicInstanceOf(instance: Instance): { instanceId: string; availabilityZone: string } {
  return { instanceId: idOf(instance), availabilityZone: instance.Placement?.AvailabilityZone ?? '' };
}

async function findInstances(ec2: Ec2, caseId: string, exhibitId: string): Promise<Instance[]> {
  const { Reservations } = await awsStep(`looking for the forensic instance of exhibit ${exhibitId}`, (options) =>
    ec2.send(new DescribeInstancesCommand({ Filters: madeFor(caseId, exhibitId) }), options),
  );
  return (Reservations ?? []).flatMap((reservation) => reservation.Instances ?? []);
}
