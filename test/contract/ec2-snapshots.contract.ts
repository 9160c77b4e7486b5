import {
  CopySnapshotCommand,
  type CopySnapshotCommandInput,
  CreateSnapshotCommand,
  CreateSnapshotsCommand,
  type CreateSnapshotsCommandInput,
  CreateTagsCommand,
  CreateVolumeCommand,
  DeleteSnapshotCommand,
  DescribeSnapshotsCommand,
  type Snapshot,
  waitUntilSnapshotCompleted,
} from '@aws-sdk/client-ec2';
import { documented } from './documented';
import { BLOCK_SIZE } from './resources';
import { target } from './target';
import { outcome } from './waiting';

const volume = async (options: { Encrypted?: boolean; KmsKeyId?: string } = {}): Promise<string> => {
  const { member, resources, zones } = target();
  return (await resources.volume(member, { AvailabilityZone: zones[0], ...options })).VolumeId!;
};

/** A copy within the member account, remembered for deletion; not waited for. */
const copy = async (SourceSnapshotId: string, options: Partial<CopySnapshotCommandInput> = {}): Promise<string> => {
  const { member, resources, region } = target();
  const { SnapshotId } = await member.ec2.send(
    new CopySnapshotCommand({ SourceRegion: region, SourceSnapshotId, ...options }),
  );
  resources.endSnapshot(member, SnapshotId!);
  return SnapshotId!;
};

const settled = (id: string): Promise<Snapshot> => target().resources.settledSnapshot(target().member, id);

/** An instance with a root volume and two data volumes, in the order of their devices. */
const instanceWithData = async (): Promise<{ InstanceId: string; volumeIds: string[] }> => {
  const { member, resources, imageId } = target();
  const { InstanceId, BlockDeviceMappings, RootDeviceName } = await resources.instance(member, {
    ImageId: await imageId(),
    BlockDeviceMappings: ['/dev/sdf', '/dev/sdg'].map((DeviceName) => ({
      DeviceName,
      Ebs: { VolumeSize: 1, DeleteOnTermination: true },
    })),
  });
  const device = (name: string | undefined) => BlockDeviceMappings!.find((one) => one.DeviceName === name)!;
  return {
    InstanceId: InstanceId!,
    volumeIds: [RootDeviceName, '/dev/sdf', '/dev/sdg'].map((name) => device(name).Ebs!.VolumeId!),
  };
};

const snapshotInstance = async (
  specification: NonNullable<CreateSnapshotsCommandInput['InstanceSpecification']>,
  options: Partial<CreateSnapshotsCommandInput> = {},
) => {
  const { member, resources } = target();
  const { Snapshots } = await member.ec2.send(
    new CreateSnapshotsCommand({
      InstanceSpecification: specification,
      TagSpecifications: resources.tagged('snapshot'),
      ...options,
    }),
  );
  for (const { SnapshotId } of Snapshots!) resources.endSnapshot(member, SnapshotId!);
  return Snapshots!;
};

describe('EBS snapshots', () => {
  documented(
    'Amazon EC2 API Reference: CreateSnapshot',
    'snapshots that are taken from encrypted volumes are automatically encrypted',
    async () => {
      const { member, resources } = target();
      const KmsKeyId = await resources.key(member);
      const made = await resources.snapshot(member, { VolumeId: await volume({ Encrypted: true, KmsKeyId }) });
      expect(made).toMatchObject({ State: 'completed', Encrypted: true, KmsKeyId });
    },
  );

  documented(
    'Amazon EBS User Guide: Create Amazon EBS snapshots',
    'snapshots occur asynchronously; the status of the snapshot is pending until the snapshot is complete',
    async () => {
      const { member, resources, whilePending } = target();
      const made = await whilePending('snapshots', async () => {
        const answer = await member.ec2.send(
          new CreateSnapshotCommand({ VolumeId: await volume(), TagSpecifications: resources.tagged('snapshot') }),
        );
        resources.endSnapshot(member, answer.SnapshotId!);
        expect(answer.State).toBe('pending');
        expect((await resources.describedSnapshot(member, answer.SnapshotId!)).State).toBe('pending');
        return answer;
      });
      await waitUntilSnapshotCompleted(
        { client: member.ec2, maxWaitTime: 1200, minDelay: 1, maxDelay: 15 },
        { SnapshotIds: [made.SnapshotId!] },
      );
      const completed = await resources.describedSnapshot(member, made.SnapshotId!);
      expect(completed).toMatchObject({ Progress: '100%', VolumeSize: 1, OwnerId: member.accountId });
    },
  );

  documented(
    'Amazon EC2 API Reference: CreateSnapshots',
    'each volume attached to the specified instance will produce one snapshot',
    async () => {
      const { InstanceId, volumeIds } = await instanceWithData();
      const made = await snapshotInstance({ InstanceId });
      expect(made.map((one) => one.VolumeId).sort()).toEqual([...volumeIds].sort());
      for (const { SnapshotId } of made) expect((await settled(SnapshotId!)).State).toBe('completed');
    },
  );

  documented(
    'Amazon EC2 API Reference: CreateSnapshots',
    'you can exclude the root volume or specific data (non-root) volumes from the multi-volume snapshot set',
    async () => {
      const { InstanceId, volumeIds } = await instanceWithData();
      const made = await snapshotInstance({
        InstanceId,
        ExcludeBootVolume: true,
        ExcludeDataVolumeIds: [volumeIds[2]!],
      });
      expect(made.map((one) => one.VolumeId)).toEqual([volumeIds[1]]);
    },
  );

  documented(
    'Amazon EC2 API Reference: CreateSnapshots',
    'CopyTagsFromSource: copies the tags from the specified volume to corresponding snapshot',
    async () => {
      const { member, resources } = target();
      const { InstanceId, volumeIds } = await instanceWithData();
      await member.ec2.send(
        new CreateTagsCommand({ Resources: [volumeIds[1]!], Tags: [{ Key: 'disk', Value: 'data' }] }),
      );
      const made = await snapshotInstance({ InstanceId }, { CopyTagsFromSource: 'volume' });
      const tagsOf = (volumeId: string) => made.find((one) => one.VolumeId === volumeId)!.Tags;
      expect(tagsOf(volumeIds[1]!)).toEqual(
        expect.arrayContaining([...resources.tags(), { Key: 'disk', Value: 'data' }]),
      );
      expect(tagsOf(volumeIds[2]!)).toEqual(resources.tags());
    },
  );

  documented(
    'Amazon EC2 API Reference: DescribeSnapshots',
    'OwnerIds: the results can include self for snapshots that you own',
    async () => {
      const { member, forensics, resources } = target();
      const SnapshotId = await resources.writtenSnapshot(member, new Map());
      const own = async (account: typeof member) => {
        const { Snapshots } = await account.ec2.send(
          new DescribeSnapshotsCommand({
            OwnerIds: ['self'],
            Filters: [{ Name: 'snapshot-id', Values: [SnapshotId] }],
          }),
        );
        return Snapshots!.map((one) => one.SnapshotId);
      };
      expect(await own(member)).toEqual([SnapshotId]);
      expect(await own(forensics)).toEqual([]);
    },
  );

  documented(
    'Amazon EC2 API Reference: DescribeSnapshots',
    'MaxResults, NextToken: to get the next page of items, make another request with the token returned by the previous request',
    async () => {
      const { member, resources } = target();
      const VolumeId = await volume();
      const made: string[] = [];
      for (let count = 0; count < 6; count += 1) {
        made.push((await resources.snapshot(member, { VolumeId })).SnapshotId!);
      }
      const pages: number[] = [];
      const found: string[] = [];
      let NextToken: string | undefined;
      do {
        const page = await member.ec2.send(
          new DescribeSnapshotsCommand({
            OwnerIds: ['self'],
            Filters: [{ Name: 'volume-id', Values: [VolumeId] }],
            // AWS takes 5 as the smallest page.
            MaxResults: 5,
            ...(NextToken !== undefined && { NextToken }),
          }),
        );
        pages.push(page.Snapshots!.length);
        found.push(...page.Snapshots!.map((one) => one.SnapshotId!));
        NextToken = page.NextToken;
      } while (NextToken !== undefined && NextToken !== '');
      expect(Math.max(...pages)).toBeLessThanOrEqual(5);
      expect(found.sort()).toEqual(made.sort());
    },
  );

  documented(
    'Amazon EC2 API Reference: CopySnapshot',
    'snapshot copies have an arbitrary source volume ID; do not use this volume ID for any purpose',
    async () => {
      const { member, resources } = target();
      const VolumeId = await volume();
      const source = await resources.snapshot(member, { VolumeId });
      const copied = await settled(await copy(source.SnapshotId!));
      expect(copied.State).toBe('completed');
      expect(copied.VolumeId).toMatch(/^vol-/);
      expect(copied.VolumeId).not.toBe(VolumeId);
    },
  );

  documented(
    'Amazon EC2 API Reference: CopySnapshot',
    'Encrypted: to encrypt a copy of an unencrypted snapshot, enable encryption using this parameter; encrypted snapshots are encrypted, even if you omit it',
    async () => {
      const { member, resources } = target();
      const KmsKeyId = await resources.key(member);
      const plain = await resources.writtenSnapshot(member, new Map([[0, Buffer.alloc(BLOCK_SIZE, 'x')]]));
      const encrypted = await settled(await copy(plain, { Encrypted: true, KmsKeyId }));
      expect(encrypted).toMatchObject({ State: 'completed', Encrypted: true, KmsKeyId });
      const again = await settled(await copy(encrypted.SnapshotId!));
      expect(again).toMatchObject({ State: 'completed', Encrypted: true });
    },
  );

  documented(
    'Amazon EC2 API Reference: CopySnapshot',
    'KmsKeyId: AWS authenticates the KMS key asynchronously; with an ID that is not valid, the action can appear to complete, but eventually fails',
    async () => {
      const { member, resources, region } = target();
      const source = await resources.writtenSnapshot(member, new Map());
      const KmsKeyId = `arn:aws:kms:${region}:${member.accountId}:key/00000000-0000-0000-0000-000000000000`;
      const failed = await settled(await copy(source, { Encrypted: true, KmsKeyId }));
      expect(failed).toMatchObject({ State: 'error', StateMessage: 'Given key ID is not accessible' });
    },
  );

  documented(
    'Amazon EC2 API Reference: DeleteSnapshot',
    'deletes the specified snapshot; one that is not there is InvalidSnapshot.NotFound',
    async () => {
      const { member, resources } = target();
      const SnapshotId = await resources.writtenSnapshot(member, new Map());
      const remove = () => outcome(member.ec2.send(new DeleteSnapshotCommand({ SnapshotId })));
      expect(await remove()).toBe('accepted');
      expect(await remove()).toBe('InvalidSnapshot.NotFound');
    },
  );

  documented(
    'Amazon EBS User Guide: Copy an Amazon EBS snapshot',
    'user-defined tags are not copied from the source snapshot to the snapshot copy; you can add user-defined tags during or after the copy operation',
    async () => {
      const { member, resources } = target();
      const source = await resources.snapshot(member, {
        VolumeId: await volume(),
        TagSpecifications: [{ ResourceType: 'snapshot', Tags: [{ Key: 'disk', Value: 'data' }] }],
      });
      const copied = await copy(source.SnapshotId!, { TagSpecifications: resources.tagged('snapshot') });
      expect((await settled(copied)).Tags).toEqual(resources.tags());
    },
  );

  documented(
    'Amazon EBS User Guide: Quotas for Amazon EBS',
    'concurrent snapshot copies per account to a single destination Region: 20',
    async () => {
      const { member, resources, whilePending } = target();
      const source = await resources.writtenSnapshot(member, new Map([[0, Buffer.alloc(BLOCK_SIZE, 'x')]]));
      // Ours may not be the only ones: whoever runs this on AWS has to see to that.
      await whilePending('copies', async () => {
        const results = await Promise.all(Array.from({ length: 24 }, () => outcome(copy(source))));
        expect(results.filter((result) => result === 'accepted')).toHaveLength(20);
        expect(results.filter((result) => result === 'ResourceLimitExceeded')).toHaveLength(4);
      });
    },
  );

  documented(
    'Amazon EC2 API Reference: Error codes',
    'IncorrectState: a snapshot that is pending can be neither copied nor restored to a volume',
    async () => {
      const { member, resources, zones, whilePending } = target();
      await whilePending('snapshots', async () => {
        const { SnapshotId } = await member.ec2.send(
          new CreateSnapshotCommand({ VolumeId: await volume(), TagSpecifications: resources.tagged('snapshot') }),
        );
        resources.endSnapshot(member, SnapshotId!);
        const restore = new CreateVolumeCommand({ AvailabilityZone: zones[0], SnapshotId });
        expect(await outcome(member.ec2.send(restore))).toBe('IncorrectState');
        expect(await outcome(copy(SnapshotId!))).toBe('IncorrectState');
      });
    },
  );
});
