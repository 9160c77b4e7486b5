import {
  AttachInstancesCommand,
  CreateAutoScalingGroupCommand,
  CreateLaunchConfigurationCommand,
  DeleteAutoScalingGroupCommand,
  DeleteLaunchConfigurationCommand,
  DescribeAutoScalingGroupsCommand,
  DescribeAutoScalingInstancesCommand,
  EnterStandbyCommand,
  ExitStandbyCommand,
  SetInstanceProtectionCommand,
} from '@aws-sdk/client-auto-scaling';
import { documented } from './documented';
import { target } from './target';
import { outcome, until } from './waiting';

/** A running instance that was attached to a group of its own; the group launches none besides it unless it is asked to. */
const inGroup = async (): Promise<{ group: string; InstanceIds: string[] }> => {
  const { member, resources, imageId, zones } = target();
  const { autoScaling } = member;
  const ImageId = await imageId();
  const { InstanceId } = await resources.instance(member, {
    ImageId,
    Placement: { AvailabilityZone: zones[0] },
  });
  const group = resources.name();
  await autoScaling.send(
    new CreateLaunchConfigurationCommand({ LaunchConfigurationName: group, ImageId, InstanceType: 't3.micro' }),
  );
  resources.later(`launch configuration ${group}`, () =>
    autoScaling.send(new DeleteLaunchConfigurationCommand({ LaunchConfigurationName: group })),
  );
  await autoScaling.send(
    new CreateAutoScalingGroupCommand({
      AutoScalingGroupName: group,
      LaunchConfigurationName: group,
      MinSize: 0,
      MaxSize: 2,
      DesiredCapacity: 0,
      AvailabilityZones: [zones[0]],
    }),
  );
  resources.later(`Auto Scaling group ${group}`, () =>
    autoScaling.send(new DeleteAutoScalingGroupCommand({ AutoScalingGroupName: group, ForceDelete: true })),
  );
  const InstanceIds = [InstanceId!];
  await autoScaling.send(new AttachInstancesCommand({ AutoScalingGroupName: group, InstanceIds }));
  await untilState(InstanceIds, 'InService');
  return { group, InstanceIds };
};
const entry = async (InstanceIds: string[]) =>
  (await target().member.autoScaling.send(new DescribeAutoScalingInstancesCommand({ InstanceIds })))
    .AutoScalingInstances![0];
const untilState = (InstanceIds: string[], state: string) =>
  until(
    `the instance to be ${state}`,
    async () => (await entry(InstanceIds))?.LifecycleState,
    (shown) => shown === state,
  );

describe('Auto Scaling', () => {
  documented(
    'Amazon EC2 Auto Scaling API Reference: DescribeAutoScalingInstances',
    'names the group of an instance, its lifecycle state and whether it is protected; of an instance in no group it names nothing',
    async () => {
      const { group, InstanceIds } = await inGroup();
      expect(await entry(InstanceIds)).toMatchObject({
        AutoScalingGroupName: group,
        LifecycleState: 'InService',
        ProtectedFromScaleIn: false,
      });
      expect(await entry(['i-0123456789abcdef0'])).toBeUndefined();
    },
  );

  documented(
    'Amazon EC2 Auto Scaling API Reference: DescribeAutoScalingGroups',
    'AutoScalingGroupNames: the names of the groups; LoadBalancerNames are those of Classic Load Balancers',
    async () => {
      const { group } = await inGroup();
      const { AutoScalingGroups } = await target().member.autoScaling.send(
        new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [group] }),
      );
      expect(AutoScalingGroups).toMatchObject([{ AutoScalingGroupName: group, LoadBalancerNames: [] }]);
    },
  );

  documented(
    'Amazon EC2 Auto Scaling API Reference: SetInstanceProtection',
    'updates the instance protection settings of the specified instances, in both directions',
    async () => {
      const { group, InstanceIds } = await inGroup();
      for (const ProtectedFromScaleIn of [true, false]) {
        await target().member.autoScaling.send(
          new SetInstanceProtectionCommand({ AutoScalingGroupName: group, InstanceIds, ProtectedFromScaleIn }),
        );
        await until(
          'the protection',
          async () => (await entry(InstanceIds))?.ProtectedFromScaleIn,
          (shown) => shown === ProtectedFromScaleIn,
        );
      }
    },
  );

  documented(
    'Amazon EC2 Auto Scaling API Reference: EnterStandby',
    'moves the specified instances into the standby state; one that is there already is refused',
    async () => {
      const { group, InstanceIds } = await inGroup();
      const enter = () =>
        target().member.autoScaling.send(
          new EnterStandbyCommand({
            AutoScalingGroupName: group,
            InstanceIds,
            ShouldDecrementDesiredCapacity: true,
          }),
        );
      await enter();
      await untilState(InstanceIds, 'Standby');
      expect(await outcome(enter())).toMatch(/ValidationError/);
    },
  );

  documented(
    'Amazon EC2 Auto Scaling API Reference: ExitStandby',
    'moves the specified instances out of the standby state; the desired capacity is incremented',
    async () => {
      const { member } = target();
      const { group, InstanceIds } = await inGroup();
      const AutoScalingGroupName = group;
      const desired = async () =>
        (await member.autoScaling.send(new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [group] })))
          .AutoScalingGroups![0]!.DesiredCapacity;
      await member.autoScaling.send(
        new EnterStandbyCommand({ AutoScalingGroupName, InstanceIds, ShouldDecrementDesiredCapacity: true }),
      );
      await untilState(InstanceIds, 'Standby');
      expect(await desired()).toBe(0);
      await member.autoScaling.send(new ExitStandbyCommand({ AutoScalingGroupName, InstanceIds }));
      await untilState(InstanceIds, 'InService');
      expect(await desired()).toBe(1);
    },
  );
});
