import {
  CreateSnapshotCommand,
  CreateVolumeCommand,
  DeleteSnapshotCommand,
  DescribeLockedSnapshotsCommand,
  DescribeSnapshotsCommand,
  LockSnapshotCommand,
  type LockSnapshotCommandInput,
  UnlockSnapshotCommand,
} from '@aws-sdk/client-ec2';
import { type AccountClients, type EmulatedAws, eventually, refusal, sharedEmulatedAws } from './emulated-aws';

let aws: EmulatedAws;
let forensics: AccountClients;

beforeAll(async () => {
  aws = await sharedEmulatedAws();
  ({ forensics } = aws);
});

async function pendingSnapshot(): Promise<string> {
  const made = await forensics.ec2.send(new CreateVolumeCommand({ AvailabilityZone: 'us-east-1a', Size: 1 }));
  return (await forensics.ec2.send(new CreateSnapshotCommand({ VolumeId: made.VolumeId }))).SnapshotId!;
}

async function completedSnapshot(): Promise<string> {
  const id = await pendingSnapshot();
  await completed(id);
  return id;
}

const completed = (id: string) =>
  eventually(
    async () => (await forensics.ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [id] }))).Snapshots![0]!.State,
    (state) => state === 'completed',
  );

type Lock = Omit<LockSnapshotCommandInput, 'SnapshotId'>;
const lock = (SnapshotId: string, options: Lock) =>
  forensics.ec2.send(new LockSnapshotCommand({ SnapshotId, ...options }));
const unlock = (SnapshotId: string) => forensics.ec2.send(new UnlockSnapshotCommand({ SnapshotId }));
const remove = (SnapshotId: string) => forensics.ec2.send(new DeleteSnapshotCommand({ SnapshotId }));
async function locked(id: string) {
  const { Snapshots } = await forensics.ec2.send(new DescribeLockedSnapshotsCommand({ SnapshotIds: [id] }));
  return Snapshots![0];
}

const governance = (LockDuration: number): Lock => ({ LockMode: 'governance', LockDuration });
const compliance = (LockDuration: number, CoolOffPeriod?: number): Lock => ({
  LockMode: 'compliance',
  LockDuration,
  CoolOffPeriod,
});

describe('snapshot lock', () => {
  it('governance: "users with appropriate permissions can unlock the snapshot and modify lock mode and duration at any time"', async () => {
    const id = await completedSnapshot();
    expect((await lock(id, governance(7))).LockState).toBe('governance');
    expect(await locked(id)).toMatchObject({ SnapshotId: id, LockDuration: 7, LockState: 'governance' });
    expect(await refusal(remove(id))).toBe('SnapshotLocked');
    expect((await lock(id, governance(2))).LockDuration).toBe(2);
    await unlock(id);
    expect(await locked(id)).toBeUndefined();
    await remove(id);
  });

  it('compliance without cooling-off: "you can\'t unlock the snapshot, change the lock mode, or decrease the lock duration"', async () => {
    const id = await completedSnapshot();
    await lock(id, compliance(7));
    for (const change of [compliance(3), governance(30), compliance(30, 5)]) {
      expect(await refusal(lock(id, change))).toBe('SnapshotLocked');
    }
    const tomorrow = new Date(Date.now() + 86_400_000);
    expect(await refusal(lock(id, { LockMode: 'compliance', ExpirationDate: tomorrow }))).toBe('SnapshotLocked');
    expect(await refusal(unlock(id))).toBe('SnapshotLocked');
    expect(await refusal(remove(id))).toBe('SnapshotLocked');
    const extended = await lock(id, compliance(30));
    expect(extended).toMatchObject({ LockState: 'compliance', LockDuration: 30 });
    expect(extended.LockExpiresOn!.getTime()).toBeGreaterThan(Date.now() + 29 * 86_400_000);
  });

  it('cooling-off: "users can unlock the snapshot, change the lock mode, increase or decrease the cooling-off period and the lock duration"', async () => {
    const id = await completedSnapshot();
    expect(await lock(id, compliance(30, 24))).toMatchObject({ LockState: 'compliance-cooloff', CoolOffPeriod: 24 });
    const { CoolOffPeriodExpiresOn, LockCreatedOn } = (await locked(id))!;
    expect(CoolOffPeriodExpiresOn!.getTime() - LockCreatedOn!.getTime()).toBe(24 * 3_600_000);
    expect(await refusal(remove(id))).toBe('SnapshotLocked');
    expect(await lock(id, compliance(10, 1))).toMatchObject({ LockDuration: 10, CoolOffPeriod: 1 });
    expect((await lock(id, governance(5))).LockState).toBe('governance');
    await lock(id, compliance(10, 72));
    await unlock(id);
    await remove(id);
  });

  it('"If you lock a snapshot that is in the pending state, the lock duration starts only once the snapshot enters the completed state"', async () => {
    await aws.lab.hold('snapshots');
    const id = await pendingSnapshot();
    const made = await lock(id, governance(1));
    expect([made.LockDurationStartTime, made.LockExpiresOn]).toEqual([undefined, undefined]);
    await aws.lab.hold();
    await completed(id);
    const now = (await locked(id))!;
    expect(now.LockExpiresOn!.getTime() - now.LockDurationStartTime!.getTime()).toBe(86_400_000);
  });

  it('LockDuration is 1–36500 days or an ExpirationDate to come; CoolOffPeriod 1–72 hours, of compliance mode only', async () => {
    const id = await completedSnapshot();
    const past = new Date(Date.now() - 60_000);
    const refused: [Lock, string][] = [
      [governance(0), 'InvalidParameterValue'],
      [governance(36_501), 'InvalidParameterValue'],
      [{ LockMode: 'governance' }, 'InvalidParameterCombination'],
      [{ ...governance(1), ExpirationDate: new Date(Date.now() + 86_400_000) }, 'InvalidParameterCombination'],
      [{ LockMode: 'governance', ExpirationDate: past }, 'InvalidParameterValue'],
      [{ ...governance(1), CoolOffPeriod: 1 }, 'InvalidParameterCombination'],
      [compliance(1, 73), 'InvalidParameterValue'],
    ];
    for (const [options, code] of refused) expect([options, await refusal(lock(id, options))]).toEqual([options, code]);
    expect(await locked(id)).toBeUndefined();
    const soon = new Date(Date.now() + 2 * 86_400_000);
    expect((await lock(id, { LockMode: 'governance', ExpirationDate: soon })).LockDuration).toBe(2);
  });

  it('an expired lock is told as expired and holds nothing', async () => {
    const id = await completedSnapshot();
    await lock(id, { LockMode: 'compliance', ExpirationDate: new Date(Date.now() + 10_000) });
    await eventually(
      () => locked(id),
      (view) => view?.LockState === 'expired',
    );
    const { Snapshots } = await forensics.ec2.send(
      new DescribeLockedSnapshotsCommand({ Filters: [{ Name: 'lock-state', Values: ['expired'] }] }),
    );
    expect(Snapshots!.map((view) => view.SnapshotId)).toContain(id);
    await remove(id);
  });
});
