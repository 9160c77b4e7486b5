import {
  AttachVolumeCommand,
  CreateTagsCommand,
  CreateVolumeCommand,
  DeleteVolumeCommand,
  DescribeVolumesCommand,
  DetachVolumeCommand,
} from '@aws-sdk/client-ec2';
import { documented } from './documented';
import { target } from './target';
import { outcome, until } from './waiting';

const instance = async (): Promise<{ InstanceId: string; rootVolumeId: string }> => {
  const { member, resources, imageId, zones } = target();
  const { InstanceId, BlockDeviceMappings } = await resources.instance(member, {
    ImageId: await imageId(),
    Placement: { AvailabilityZone: zones[0] },
  });
  return { InstanceId: InstanceId!, rootVolumeId: BlockDeviceMappings![0]!.Ebs!.VolumeId! };
};

const volume = async (zone = target().zones[0]): Promise<string> =>
  (await target().resources.volume(target().member, { AvailabilityZone: zone })).VolumeId!;

const attach = (InstanceId: string, VolumeId: string, Device = '/dev/sdf') =>
  target().member.ec2.send(new AttachVolumeCommand({ InstanceId, VolumeId, Device }));
const detach = (VolumeId: string) => target().member.ec2.send(new DetachVolumeCommand({ VolumeId }));
const deleteVolume = (VolumeId: string) => target().member.ec2.send(new DeleteVolumeCommand({ VolumeId }));

const untilState = (volumeId: string, state: string) =>
  until(
    `${volumeId} to be ${state}`,
    async () => (await target().resources.describedVolume(target().member, volumeId)).State,
    (current) => current === state,
  );

describe('EBS volumes', () => {
  documented(
    'Amazon EC2 API Reference: CreateVolume',
    'ClientToken: case-sensitive identifier that you provide to ensure the idempotency of the request',
    async () => {
      const { member, resources, zones } = target();
      const ClientToken = resources.name();
      const make = (Size: number) =>
        member.ec2.send(
          new CreateVolumeCommand({
            AvailabilityZone: zones[0],
            Size,
            ClientToken,
            TagSpecifications: resources.tagged('volume'),
          }),
        );
      const first = await make(1);
      resources.endVolume(member, first.VolumeId!);
      expect((await make(1)).VolumeId).toBe(first.VolumeId);
      expect(await outcome(make(2))).toBe('IdempotentParameterMismatch');
    },
  );

  documented(
    'Amazon EC2 API Reference: CreateVolume',
    'volumes that are created from encrypted snapshots are also automatically encrypted',
    async () => {
      const { member, resources, zones } = target();
      const key = await resources.key(member);
      const SnapshotId = await resources.writtenSnapshot(member, new Map(), key);
      const made = await resources.volume(member, { AvailabilityZone: zones[0], SnapshotId });
      expect(made).toMatchObject({ State: 'available', Encrypted: true, KmsKeyId: key, Size: 1 });
    },
  );

  documented(
    'Amazon EC2 API Reference: CreateVolume',
    'Size: if you specify a snapshot, you can specify a volume size equal to or greater than the snapshot size',
    async () => {
      const { member, resources, zones } = target();
      const source = await resources.volume(member, { AvailabilityZone: zones[0], Size: 2 });
      const { SnapshotId } = await resources.snapshot(member, { VolumeId: source.VolumeId });
      const smaller = new CreateVolumeCommand({ AvailabilityZone: zones[0], SnapshotId, Size: 1 });
      expect(await outcome(member.ec2.send(smaller))).toBe('InvalidParameterValue');
      const greater = await resources.volume(member, { AvailabilityZone: zones[0], SnapshotId, Size: 3 });
      expect(greater.Size).toBe(3);
    },
  );

  documented(
    'Amazon EC2 API Reference: CreateVolume',
    'AvailabilityZone: the volume can be attached to an instance in the same Availability Zone',
    async () => {
      const { zones } = target();
      const { InstanceId } = await instance();
      const elsewhere = await volume(zones[1]);
      expect(await outcome(attach(InstanceId, elsewhere))).toBe('InvalidVolume.ZoneMismatch');
    },
  );

  documented(
    'Amazon EC2 API Reference: AttachVolume',
    'attaches an Amazon EBS volume to a running or stopped instance, and exposes it with the specified device name',
    async () => {
      const { member, resources } = target();
      const { InstanceId } = await instance();
      const VolumeId = await volume();
      const answer = await attach(InstanceId, VolumeId);
      expect(['attaching', 'attached']).toContain(answer.State);
      const attachment = await until(
        `${VolumeId} to be attached`,
        async () => (await resources.describedVolume(member, VolumeId)).Attachments![0],
        (current) => current?.State === 'attached',
      );
      expect(attachment).toMatchObject({ InstanceId, Device: '/dev/sdf' });
    },
  );

  documented(
    'Amazon EC2 API Reference: DescribeVolumes',
    'DeleteOnTermination: indicates whether the EBS volume is deleted on instance termination; for a volume that was attached it is not',
    async () => {
      const { member, resources } = target();
      const { InstanceId } = await instance();
      const VolumeId = await volume();
      await attach(InstanceId, VolumeId);
      await untilState(VolumeId, 'in-use');
      const { Attachments } = await resources.describedVolume(member, VolumeId);
      expect(Attachments).toMatchObject([{ InstanceId, DeleteOnTermination: false }]);
    },
  );

  documented(
    'Amazon EC2 API Reference: Error codes',
    'VolumeInUse: the specified Amazon EBS volume is attached to an instance; ensure that the volume is in an available state',
    async () => {
      const [one, other] = [await instance(), await instance()];
      const VolumeId = await volume();
      await attach(one.InstanceId, VolumeId);
      await untilState(VolumeId, 'in-use');
      expect(await outcome(attach(other.InstanceId, VolumeId))).toBe('VolumeInUse');
    },
  );

  documented(
    'Amazon EC2 API Reference: DescribeVolumes',
    'attachment.instance-id: the ID of the instance the volume is attached to',
    async () => {
      const { member } = target();
      const { InstanceId, rootVolumeId } = await instance();
      const VolumeId = await volume();
      await attach(InstanceId, VolumeId);
      await untilState(VolumeId, 'in-use');
      const { Volumes } = await member.ec2.send(
        new DescribeVolumesCommand({ Filters: [{ Name: 'attachment.instance-id', Values: [InstanceId] }] }),
      );
      expect(Volumes!.map((one) => one.VolumeId).sort()).toEqual([VolumeId, rootVolumeId].sort());
    },
  );

  documented(
    'Amazon EC2 API Reference: DetachVolume',
    'InstanceId: required for a Multi-Attach enabled volume only; a volume that is not attached is in an incorrect state',
    async () => {
      const { InstanceId } = await instance();
      const VolumeId = await volume();
      expect(await outcome(detach(VolumeId))).toBe('IncorrectState');
      await attach(InstanceId, VolumeId);
      await untilState(VolumeId, 'in-use');
      expect((await detach(VolumeId)).InstanceId).toBe(InstanceId);
      await untilState(VolumeId, 'available');
    },
  );

  documented(
    'Amazon EC2 API Reference: DetachVolume',
    'if an EBS volume is the root device of an instance, it can’t be detached while the instance is running',
    async () => {
      const { rootVolumeId } = await instance();
      expect(await outcome(detach(rootVolumeId))).toBe('OperationNotPermitted');
    },
  );

  documented(
    'Amazon EC2 API Reference: DeleteVolume',
    'the volume must be in the available state (not attached to an instance)',
    async () => {
      const { member } = target();
      const { InstanceId } = await instance();
      const VolumeId = await volume();
      await attach(InstanceId, VolumeId);
      await untilState(VolumeId, 'in-use');
      expect(await outcome(deleteVolume(VolumeId))).toBe('VolumeInUse');
      await detach(VolumeId);
      await untilState(VolumeId, 'available');
      await deleteVolume(VolumeId);
      const describe = new DescribeVolumesCommand({ VolumeIds: [VolumeId] });
      // AWS may show it as `deleting` for some minutes.
      await until(
        `${VolumeId} to be gone`,
        () => outcome(member.ec2.send(describe)),
        (result) => result === 'InvalidVolume.NotFound',
      );
    },
  );

  documented(
    'Amazon EC2 API Reference: CreateTags',
    'adds or overwrites only the specified tags; when you specify an existing tag key, the value is overwritten with the new value',
    async () => {
      const { member, resources } = target();
      const VolumeId = await volume();
      const tag = (Value: string) =>
        member.ec2.send(new CreateTagsCommand({ Resources: [VolumeId], Tags: [{ Key: 'case', Value }] }));
      await tag('one');
      await tag('two');
      const tags = await until(
        'the new value',
        async () => (await resources.describedVolume(member, VolumeId)).Tags!,
        (found) => found.some(({ Key, Value }) => Key === 'case' && Value === 'two'),
      );
      expect(tags).toHaveLength(2);
      expect(tags).toEqual(expect.arrayContaining(resources.tags()));
    },
  );
});
