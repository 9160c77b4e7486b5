import {
  DescribeAutoScalingInstancesCommand,
  EnterStandbyCommand,
  ExitStandbyCommand,
  SetInstanceProtectionCommand,
} from '@aws-sdk/client-auto-scaling';
import { ApplicationFailure } from '@temporalio/common';
import type { AutoScalingFacts } from '../domain/instance-facts';
import type { AccountClients } from './aws/clients';
import { awsStep } from './aws/errors';

/** The group's entry of the instance, as it is now; undefined when it left the group. */
export async function readGroupMember(
  member: AccountClients,
  instanceId: string,
): Promise<{ groupName: string; lifecycleState: string; protectedFromScaleIn: boolean } | undefined> {
  const { AutoScalingInstances } = await awsStep(`reading the Auto Scaling group of ${instanceId}`, (options) =>
    member.autoScaling.send(new DescribeAutoScalingInstancesCommand({ InstanceIds: [instanceId] }), options),
  );
  const [found] = AutoScalingInstances ?? [];
  return found?.AutoScalingGroupName === undefined
    ? undefined
    : {
        groupName: found.AutoScalingGroupName,
        lifecycleState: found.LifecycleState ?? 'unknown',
        protectedFromScaleIn: found.ProtectedFromScaleIn ?? false,
      };
}

/** Scale-in passes the instance by. Source: Auto Scaling User Guide, "Use instance scale-in protection". */
export async function protectFromScaleIn(
  member: AccountClients,
  instanceId: string,
  { groupName }: Pick<AutoScalingFacts, 'groupName'>,
  on: boolean,
): Promise<void> {
  await awsStep(`${on ? 'setting' : 'taking back'} scale-in protection of ${instanceId} in ${groupName}`, (options) =>
    member.autoScaling.send(
      new SetInstanceProtectionCommand({
        AutoScalingGroupName: groupName,
        InstanceIds: [instanceId],
        ProtectedFromScaleIn: on,
      }),
      options,
    ),
  );
}

/**
 * Health checks pass the instance by, and the group takes it off its load balancers and launches another one in its place: the
 * desired capacity stays. Scale-in protection does not keep an unhealthy instance from being replaced.
 * Source: Auto Scaling User Guide, "Temporarily remove instances from your Auto Scaling group".
 */
export async function enterStandby(member: AccountClients, instanceId: string): Promise<void> {
  const current = await readGroupMember(member, instanceId);
  // EnterStandby refuses an instance that is there already, as after a lost answer.
  if (!current || /Standby/.test(current.lifecycleState)) return;
  if (current.lifecycleState !== 'InService') {
    throw ApplicationFailure.nonRetryable(
      `${instanceId} is ${current.lifecycleState} in Auto Scaling group ${current.groupName}: only an instance in service can be put into standby`,
      'InvalidRequest',
    );
  }
  await awsStep(`putting ${instanceId} into standby in ${current.groupName}`, (options) =>
    member.autoScaling.send(
      new EnterStandbyCommand({
        AutoScalingGroupName: current.groupName,
        InstanceIds: [instanceId],
        ShouldDecrementDesiredCapacity: false,
      }),
      options,
    ),
  );
}

export async function exitStandby(member: AccountClients, instanceId: string, groupName: string): Promise<void> {
  await awsStep(`taking ${instanceId} out of standby in ${groupName}`, (options) =>
    member.autoScaling.send(
      new ExitStandbyCommand({ AutoScalingGroupName: groupName, InstanceIds: [instanceId] }),
      options,
    ),
  );
}
