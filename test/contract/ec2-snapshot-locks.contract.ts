import {
  CreateSnapshotCommand,
  DeleteSnapshotCommand,
  DescribeLockedSnapshotsCommand,
  LockSnapshotCommand,
  type LockSnapshotCommandInput,
  UnlockSnapshotCommand,
} from '@aws-sdk/client-ec2';
import { documented } from './documented';
import { target } from './target';
import { outcome } from './waiting';

/** A mode without cool-off would leave a snapshot on AWS for a day; test/lab/aws has those rules. */
const COOLING_OFF: Partial<LockSnapshotCommandInput> = { LockMode: 'compliance', CoolOffPeriod: 1 };

const snapshot = (): Promise<string> => target().resources.writtenSnapshot(target().forensics, new Map());
const lock = (SnapshotId: string, options: Partial<LockSnapshotCommandInput>) =>
  target().forensics.ec2.send(
    new LockSnapshotCommand({ SnapshotId, LockMode: 'governance', LockDuration: 1, ...options }),
  );
const unlock = (SnapshotId: string) => target().forensics.ec2.send(new UnlockSnapshotCommand({ SnapshotId }));
const deletion = (SnapshotId: string) =>
  outcome(target().forensics.ec2.send(new DeleteSnapshotCommand({ SnapshotId })));
const lockOf = async (SnapshotId: string) => {
  const { Snapshots } = await target().forensics.ec2.send(
    new DescribeLockedSnapshotsCommand({ SnapshotIds: [SnapshotId] }),
  );
  return Snapshots![0];
};

describe('EBS snapshot lock', () => {
  documented(
    'Amazon EC2 API Reference: LockSnapshot',
    'a locked snapshot can’t be deleted; in governance mode users with permission can unlock it',
    async () => {
      const id = await snapshot();
      expect((await lock(id, {})).LockState).toBe('governance');
      expect(await deletion(id)).toBe('SnapshotLocked');
      await unlock(id);
      expect(await deletion(id)).toBe('accepted');
    },
  );

  documented(
    'Amazon EC2 API Reference: LockSnapshot',
    'in governance mode, you can modify the lock mode and the lock duration or lock expiration date',
    async () => {
      const id = await snapshot();
      await lock(id, { LockDuration: 7 });
      expect((await lock(id, { LockDuration: 2 })).LockDuration).toBe(2);
      expect((await lock(id, { ...COOLING_OFF })).LockState).toBe('compliance-cooloff');
    },
  );

  documented(
    'Amazon EC2 API Reference: LockSnapshot',
    'in compliance mode and in the cooling-off period, you can modify the lock mode and the lock duration, and unlock the snapshot',
    async () => {
      const id = await snapshot();
      const locked = await lock(id, { ...COOLING_OFF, LockDuration: 7 });
      expect(locked).toMatchObject({ LockState: 'compliance-cooloff', CoolOffPeriod: 1, LockDuration: 7 });
      expect(locked.CoolOffPeriodExpiresOn!.getTime()).toBeGreaterThan(Date.now());
      expect(await deletion(id)).toBe('SnapshotLocked');
      expect((await lock(id, { ...COOLING_OFF, LockDuration: 1 })).LockDuration).toBe(1);
      await unlock(id);
      expect(await deletion(id)).toBe('accepted');
    },
  );

  documented(
    'Amazon EC2 API Reference: LockSnapshot',
    'CoolOffPeriod: if you are locking the snapshot in governance mode, omit this parameter; allowed values are 1 to 72 hours',
    async () => {
      const id = await snapshot();
      expect(await outcome(lock(id, { CoolOffPeriod: 1 }))).toMatch(/^InvalidParameter/);
      expect(await outcome(lock(id, { LockMode: 'compliance', CoolOffPeriod: 73 }))).toMatch(/^InvalidParameter/);
      expect(await lockOf(id)).toBeUndefined();
    },
  );

  documented(
    'Amazon EC2 API Reference: LockSnapshot',
    'LockDuration or ExpirationDate: you must specify one of them, but not both',
    async () => {
      const id = await snapshot();
      const ExpirationDate = new Date(Date.now() + 2 * 86_400_000);
      expect(await outcome(lock(id, { ExpirationDate }))).toMatch(/^InvalidParameter/);
      const until = await lock(id, { LockDuration: undefined, ExpirationDate });
      expect(Math.abs(until.LockExpiresOn!.getTime() - ExpirationDate.getTime())).toBeLessThan(60_000);
    },
  );

  documented(
    'Amazon EBS User Guide: Lock an Amazon EBS snapshot',
    'you can lock a snapshot that is in the pending or completed state',
    async () => {
      const { forensics, resources, zones, whilePending } = target();
      const { VolumeId } = await resources.volume(forensics, { AvailabilityZone: zones[0] });
      await whilePending('snapshots', async () => {
        const { SnapshotId } = await forensics.ec2.send(
          new CreateSnapshotCommand({ VolumeId, TagSpecifications: resources.tagged('snapshot') }),
        );
        resources.endSnapshot(forensics, SnapshotId!);
        expect((await lock(SnapshotId!, {})).LockState).toBe('governance');
      });
    },
  );

  documented(
    'Amazon EC2 API Reference: DescribeLockedSnapshots',
    'describes the lock status for a snapshot',
    async () => {
      const { forensics } = target();
      const [locked, other] = [await snapshot(), await snapshot()];
      await lock(locked, { LockDuration: 3 });
      expect(await lockOf(locked)).toMatchObject({
        SnapshotId: locked,
        OwnerId: forensics.accountId,
        LockState: 'governance',
        LockDuration: 3,
      });
      expect(await lockOf(other)).toBeUndefined();
    },
  );
});
