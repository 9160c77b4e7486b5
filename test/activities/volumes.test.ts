import { StartSnapshotCommand } from '@aws-sdk/client-ebs';
import {
  DeleteSnapshotCommand,
  DescribeLockedSnapshotsCommand,
  DescribeSnapshotAttributeCommand,
  DetachVolumeCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { createVolumeActivities } from '../../activities/volumes';
import type { VolumeActivities } from '../../activities/types';
import { LAB_ACCOUNTS } from '../../lab/config';
import { actsOf } from './acts';
import {
  type ActivityLab,
  CASE_ID,
  createKeys,
  createNetwork,
  failureOf,
  launchSuspect,
  type Network,
  ownSnapshots,
  runActivity,
  startActivityLab,
  type Suspect,
  type SuspectKeys,
} from './support';

let lab: ActivityLab;
let volumes: VolumeActivities;
let keys: SuspectKeys;
let network: Network;
let cases = 0;

beforeAll(async () => {
  lab = await startActivityLab();
  volumes = createVolumeActivities(lab);
  [keys, network] = await Promise.all([createKeys(lab), createNetwork(lab)]);
});
afterAll(() => lab.stop());
beforeEach(() => lab.aws.lab.clearFaults());

type Step = keyof VolumeActivities;
const run = <S extends Step>(
  step: S,
  input: Parameters<VolumeActivities[S]>[0],
  info: { attempt?: number; scheduledTimestampMs?: number } = {},
): ReturnType<VolumeActivities[S]> => {
  const activity = volumes[step] as (given: typeof input) => Promise<unknown>;
  return runActivity(activity, input, info) as ReturnType<VolumeActivities[S]>;
};

async function newCase(withKeys = false) {
  const suspect = await launchSuspect(lab, network, withKeys ? { keys } : {});
  cases += 1;
  return { suspect, caseId: `${CASE_ID}-${cases}`, target: suspect.target };
}

const ofCase = async (owner: 'member' | 'forensics', caseId: string) =>
  (await ownSnapshots(lab, owner)).filter((snapshot) =>
    snapshot.Tags?.some((tag) => tag.Key === 'forensics:case' && tag.Value === caseId),
  );

/** Snapshot, share and copy of the root volume. */
async function copied({ suspect, caseId, target }: { suspect: Suspect; caseId: string; target: Suspect['target'] }) {
  const volumeId = suspect.volumeIds[0]!;
  const { snapshots } = await run('createSnapshots', { caseId, target, volumeIds: [volumeId] });
  const sourceSnapshotId = snapshots[0]!.snapshotId;
  await run('shareSnapshot', { caseId, target, snapshotId: sourceSnapshotId });
  const { snapshotId } = await run('copySnapshotToForensics', {
    caseId,
    target,
    volumeId,
    snapshotId: sourceSnapshotId,
  });
  return { caseId, target, volumeId, sourceSnapshotId, forensicSnapshotId: snapshotId, acquiredAt: 'now' };
}

describe('createSnapshots', () => {
  it('takes all volumes in one call, tagged, and takes none twice (AFO D4, B7)', async () => {
    const { suspect, caseId, target } = await newCase(true);
    const input = { caseId, target, volumeIds: suspect.volumeIds };
    await lab.aws.lab.clearCalls();
    const first = await run('createSnapshots', input);
    const calls = (await lab.aws.lab.calls()).filter(({ action }) => action.startsWith('CreateSnapshot'));
    expect(calls.map(({ action }) => action)).toEqual(['CreateSnapshots']);
    expect(first.snapshots.map(({ volumeId }) => volumeId)).toEqual(suspect.volumeIds);
    expect(await run('createSnapshots', input)).toEqual(first);
    expect(await ofCase('member', caseId)).toHaveLength(4);
  });

  it('loses the answer: the next attempt finds the snapshots, the SDK repeats nothing (AFO D4)', async () => {
    const { suspect, caseId, target } = await newCase(true);
    await lab.aws.lab.setFaults([{ action: 'CreateSnapshots', code: 'InternalError', status: 500, when: 'after' }]);
    const input = { caseId, target, volumeIds: suspect.volumeIds };
    expect(await failureOf(run('createSnapshots', input))).toMatchObject({ type: 'Unavailable', nonRetryable: false });
    const { snapshots } = await run('createSnapshots', input, { attempt: 2 });
    expect(snapshots.map(({ volumeId }) => volumeId)).toEqual(suspect.volumeIds);
    expect(await ofCase('member', caseId)).toHaveLength(4);
  });

  it('takes the wanted volumes only, and adds those that are missing to an earlier part', async () => {
    const { suspect, caseId, target } = await newCase(true);
    const [root, one, two] = suspect.volumeIds as [string, string, string, string];
    await run('createSnapshots', { caseId, target, volumeIds: [one] });
    expect((await ofCase('member', caseId)).map(({ VolumeId }) => VolumeId)).toEqual([one]);
    const { snapshots } = await run('createSnapshots', { caseId, target, volumeIds: [root, one, two] });
    expect(snapshots.map(({ volumeId }) => volumeId)).toEqual([root, one, two]);
    expect((await ofCase('member', caseId)).map(({ VolumeId }) => VolumeId).sort()).toEqual([root, one, two].sort());
  });

  it('snapshots a volume that was detached meanwhile on its own', async () => {
    const { suspect, caseId, target } = await newCase(true);
    await lab.aws.member.ec2.send(new DetachVolumeCommand({ VolumeId: suspect.volumeIds[3]! }));
    const { snapshots } = await run('createSnapshots', { caseId, target, volumeIds: suspect.volumeIds });
    expect(snapshots.map(({ volumeId }) => volumeId)).toEqual(suspect.volumeIds);
  });

  it('is refused one detached volume: takes the others', async () => {
    const { suspect, caseId, target } = await newCase(true);
    await lab.aws.member.ec2.send(new DetachVolumeCommand({ VolumeId: suspect.volumeIds[3]! }));
    await lab.aws.lab.setFaults([{ action: 'CreateSnapshot', code: 'UnauthorizedOperation' }]);
    const { snapshots } = await run('createSnapshots', { caseId, target, volumeIds: suspect.volumeIds });
    expect(snapshots.map(({ volumeId }) => volumeId)).toEqual(suspect.volumeIds.slice(0, 3));
  });

  it('has lost instance and volumes in the middle: InstanceNotFound', async () => {
    const { suspect, caseId, target } = await newCase();
    await lab.aws.member.ec2.send(new TerminateInstancesCommand({ InstanceIds: [target.instanceId] }));
    const failure = await failureOf(run('createSnapshots', { caseId, target, volumeIds: suspect.volumeIds }));
    expect(failure).toMatchObject({ type: 'InstanceNotFound', nonRetryable: true });
    expect(failure.message).toContain(suspect.volumeIds[0]);
  });

  it('meets a quota: throttled, in a minute', async () => {
    const { suspect, caseId, target } = await newCase();
    await lab.aws.lab.setFaults([{ action: 'CreateSnapshots', code: 'PendingSnapshotLimitExceeded' }]);
    const failure = await failureOf(run('createSnapshots', { caseId, target, volumeIds: suspect.volumeIds }));
    expect(failure).toMatchObject({ type: 'Throttled', nextRetryDelay: '60 seconds' });
  });
});

describe('awaitSnapshot', () => {
  it('is not ready: benign, with progress and a delay that grows with the time waited', async () => {
    // A snapshot that is filled through the EBS direct APIs stays pending until it is completed.
    const { target, caseId } = await newCase();
    const { SnapshotId } = await lab.aws.member.ebs.send(new StartSnapshotCommand({ VolumeSize: 1 }));
    const wait = (waitedSeconds: number) =>
      failureOf(
        run(
          'awaitSnapshot',
          { caseId, target, owner: 'source', snapshotId: SnapshotId! },
          { scheduledTimestampMs: Date.now() - waitedSeconds * 1000 },
        ),
      );
    const failure = await wait(5);
    expect(failure).toMatchObject({ type: 'NotReady', category: 'BENIGN', nonRetryable: false, nextRetryDelay: 1000 });
    expect(failure.message).toMatch(/^snapshot snap-\w+ is pending, \d+% of 1 GiB$/);
    const later = (await wait(500)).nextRetryDelay as number;
    expect(later).toBeGreaterThanOrEqual(20_000);
    expect(later).toBeLessThan(22_000);
    expect((await wait(100_000)).nextRetryDelay).toBe(60_000);
  });

  it('ends in error: SnapshotFailed with AWS’s reason, also for the copy', async () => {
    const { suspect, caseId, target } = await newCase();
    await lab.aws.lab.setFaults([
      { service: 'ec2', action: 'CopySnapshot', outcome: 'error', message: 'Given key ID is not accessible' },
    ]);
    const { forensicSnapshotId } = await copied({ suspect, caseId, target });
    const failure = await failureOf(
      run('awaitSnapshot', { caseId, target, owner: 'forensics', snapshotId: forensicSnapshotId }),
    );
    expect(failure).toMatchObject({ type: 'SnapshotFailed', nonRetryable: true });
    expect(failure.message).toMatch(/snap-\w+ in the forensics account ended in state error: Given key ID is not/);
  });

  it('is not listed yet: waits; still not listed after minutes: failed', async () => {
    const { caseId, target } = await newCase();
    const input = { caseId, target, owner: 'source' as const, snapshotId: 'snap-0123456789abcdef0' };
    expect((await failureOf(run('awaitSnapshot', input))).type).toBe('NotReady');
    const late = run('awaitSnapshot', input, { scheduledTimestampMs: Date.now() - 600_000 });
    expect(await failureOf(late)).toMatchObject({ type: 'SnapshotFailed', nonRetryable: true });
  });
});

describe('from the source to the forensics account', () => {
  it('takes the default-key path: re-encrypt, share, copy; every copy made once', async () => {
    const { suspect, caseId, target } = await newCase(true);
    const volumeId = suspect.volumeIds[3]!;
    const { snapshots } = await run('createSnapshots', { caseId, target, volumeIds: [volumeId] });
    const original = snapshots[0]!.snapshotId;
    const refused = await failureOf(run('shareSnapshot', { caseId, target, snapshotId: original }));
    expect(refused.nonRetryable).toBe(true);

    const reencrypted = await run('reencryptSnapshot', { caseId, target, volumeId, snapshotId: original });
    expect(await run('reencryptSnapshot', { caseId, target, volumeId, snapshotId: original })).toEqual(reencrypted);
    await run('awaitSnapshot', { caseId, target, owner: 'source', ...reencrypted });
    await run('shareSnapshot', { caseId, target, ...reencrypted });
    await run('shareSnapshot', { caseId, target, ...reencrypted });
    const copy = await run('copySnapshotToForensics', { caseId, target, volumeId, ...reencrypted });
    expect(await run('copySnapshotToForensics', { caseId, target, volumeId, ...reencrypted })).toEqual(copy);
    expect(await run('awaitSnapshot', { caseId, target, owner: 'forensics', ...copy })).toEqual({
      snapshotId: copy.snapshotId,
      sizeGiB: 1,
      encrypted: true,
      keyArn: lab.config.evidenceKeyArn,
    });
    expect(await ofCase('member', caseId)).toHaveLength(2);
    const [forensic] = await ofCase('forensics', caseId);
    expect(forensic!.Tags).toContainEqual({ Key: 'forensics:volume', Value: volumeId });
  });

  it('copies a snapshot under a customer’s key that may be shared', async () => {
    const { suspect, caseId, target } = await newCase(true);
    const volumeId = suspect.volumeIds[1]!;
    const { snapshots } = await run('createSnapshots', { caseId, target, volumeIds: [volumeId] });
    await run('shareSnapshot', { caseId, target, snapshotId: snapshots[0]!.snapshotId });
    const copy = await run('copySnapshotToForensics', { ...snapshots[0]!, caseId, target });
    const facts = await run('awaitSnapshot', { caseId, target, owner: 'forensics', ...copy });
    expect(facts.keyArn).toBe(lab.config.evidenceKeyArn);
  });

  it('loses the answer of a copy: the next attempt finds it (AFO D4)', async () => {
    const { suspect, caseId, target } = await newCase();
    await lab.aws.lab.setFaults([{ action: 'CopySnapshot', code: 'InternalError', status: 500, when: 'after' }]);
    expect((await failureOf(copied({ suspect, caseId, target }))).type).toBe('Unavailable');
    await copied({ suspect, caseId, target });
    expect(await ofCase('forensics', caseId)).toHaveLength(1);
  });

  it('meets the limit of 20 copies at once: throttled, in a minute', async () => {
    const { suspect, caseId, target } = await newCase();
    await lab.aws.lab.setFaults([{ action: 'CopySnapshot', code: 'ResourceLimitExceeded' }]);
    const failure = await failureOf(copied({ suspect, caseId, target }));
    expect(failure).toMatchObject({ type: 'Throttled', nonRetryable: false, nextRetryDelay: '60 seconds' });
  });

  it('takes back this snapshot’s permission and no other case’s (AFO D10)', async () => {
    const [one, other] = [await copied(await newCase()), await copied(await newCase())];
    const unshare = { caseId: one.caseId, target: one.target, snapshotId: one.sourceSnapshotId };
    await run('unshareSnapshot', unshare);
    await run('unshareSnapshot', unshare);
    const sharedWith = async (SnapshotId: string) => {
      const answer = await lab.aws.member.ec2.send(
        new DescribeSnapshotAttributeCommand({ SnapshotId, Attribute: 'createVolumePermission' }),
      );
      return (answer.CreateVolumePermissions ?? []).map(({ UserId }) => UserId);
    };
    expect(await sharedWith(one.sourceSnapshotId)).toEqual([]);
    expect(await sharedWith(other.sourceSnapshotId)).toEqual([LAB_ACCOUNTS.forensics]);
    await lab.aws.member.ec2.send(new DeleteSnapshotCommand({ SnapshotId: one.sourceSnapshotId }));
    await run('unshareSnapshot', unshare);
  });

  it('locks both sides, again without harm', async () => {
    const { caseId, target, sourceSnapshotId, forensicSnapshotId } = await copied(await newCase());
    const sides = [
      { owner: 'source' as const, snapshotId: sourceSnapshotId, account: lab.aws.member },
      { owner: 'forensics' as const, snapshotId: forensicSnapshotId, account: lab.aws.forensics },
    ];
    for (const { owner, snapshotId, account } of sides) {
      for (const attempt of [1, 2]) {
        const { lockedUntil } = await run('lockSnapshot', { caseId, target, owner, snapshotId, days: 90 }, { attempt });
        expect((Date.parse(lockedUntil) - Date.now()) / 86_400_000).toBeCloseTo(90, 1);
      }
      const locks = await account.ec2.send(new DescribeLockedSnapshotsCommand({ SnapshotIds: [snapshotId] }));
      expect(locks.Snapshots).toMatchObject([{ LockState: 'governance', LockDuration: 90 }]);
      await expect(account.ec2.send(new DeleteSnapshotCommand({ SnapshotId: snapshotId }))).rejects.toThrow(/lock/i);
    }
  });

  it('extends a lock and never shortens it, nor makes it weaker; every lock is told', async () => {
    const { caseId, target, forensicSnapshotId: snapshotId } = await copied(await newCase());
    const strict = createVolumeActivities({
      config: { ...lab.config, snapshotLock: { mode: 'compliance', coolOffHours: 2 } },
      clients: lab.clients,
    });
    const lockFor = async (days: number, by = createVolumeActivities(lab)) => {
      const input = { caseId, target, owner: 'forensics' as const, snapshotId, days };
      const { lockedUntil } = await runActivity((one: typeof input) => by.lockSnapshot(one), input);
      const { Snapshots } = await lab.aws.forensics.ec2.send(
        new DescribeLockedSnapshotsCommand({ SnapshotIds: [snapshotId] }),
      );
      const [lock] = Snapshots!;
      expect(lock!.LockExpiresOn!.toISOString()).toBe(lockedUntil);
      return { days: Math.round((Date.parse(lockedUntil) - Date.now()) / 86_400_000), state: lock!.LockState };
    };
    const acts = await actsOf(async () => {
      expect(await lockFor(30)).toEqual({ days: 30, state: 'governance' });
      expect(await lockFor(7)).toEqual({ days: 30, state: 'governance' });
      expect(await lockFor(60)).toEqual({ days: 60, state: 'governance' });
      expect(await lockFor(7, strict)).toEqual({ days: 60, state: 'compliance-cooloff' });
      expect(await lockFor(90)).toEqual({ days: 90, state: 'compliance-cooloff' });
      expect(await lockFor(90, strict)).toEqual({ days: 90, state: 'compliance-cooloff' });
    });
    expect(acts.map(({ message, data }) => [/ (was|had been) [^(]+/.exec(message)![0].trim(), data!.lock])).toEqual([
      ['was locked', 'governance'],
      ['had been locked before', 'governance'],
      ['was locked for longer than before', 'governance'],
      ['was locked for longer than before', 'compliance-cooloff'],
      ['was locked for longer than before', 'compliance-cooloff'],
      ['had been locked before', 'compliance-cooloff'],
    ]);
  });

  it('tells each thing that is done with a disk, once with the answer lost too', async () => {
    const opened = await newCase();
    const acts = await actsOf(async () => {
      const { caseId, target, sourceSnapshotId } = await copied(opened);
      await run('unshareSnapshot', { caseId, target, snapshotId: sourceSnapshotId });
      await copied(opened);
    });
    const told = acts.map(({ message }) => message).join('\n');
    expect(told).toMatch(/^One crash-consistent snapshot of \d volumes of i-\w+ was begun: snap-/m);
    expect(told).toMatch(/^Snapshots that an earlier attempt of this step had made were found: snap-/m);
    expect(told).toMatch(/was shared with the forensics account/);
    expect(told).toMatch(/is no longer shared with the forensics account/);
    expect(told).toMatch(/is copied into the forensics account under its own key, as snap-\w+$/m);
    expect(told).toMatch(/as snap-\w+, which an earlier attempt of this step had begun$/m);
    const [copy] = acts.filter(({ data }) => data && 'key' in data);
    expect(copy).toMatchObject({ exhibit: { kind: 'disk', id: opened.suspect.volumeIds[0] } });
    expect(copy!.awsCalls).toMatchObject([{ call: 'ec2:CopySnapshot' }]);
  });
});
