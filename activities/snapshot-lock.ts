import { DescribeLockedSnapshotsCommand, type LockedSnapshotsInfo, LockSnapshotCommand } from '@aws-sdk/client-ec2';
import type { AccountClients } from './aws/clients';
import { awsStep } from './aws/errors';
import type { SnapshotLock } from './config';
import { noteAct } from './custody-acts';

const DAY_MS = 86_400_000;
/** Source: EC2 API Reference, LockSnapshot: 1 to 36,500 days. */
const LONGEST_DAYS = 36_500;
/** What an earlier attempt of the step set a while ago counts as what this one wants: a tenth of the time, a day at most. */
const graceMs = (days: number): number => Math.min(DAY_MS, (days * DAY_MS) / 10);

/**
 * Locks a snapshot for so many days from now, so that nobody deletes it. A lock that is there already is never shortened and
 * never made weaker: one that is as strict and holds as long is left alone, any other one is extended. The end of an extended
 * lock is given as a date, since AWS does not say from when a changed duration counts.
 *
 * @param lock governance mode (whoever holds ec2:UnlockSnapshot may lift it) when it is left out
 * @returns when it ends (ISO 8601); compliance mode in its cooling-off hours may still be lifted until those end
 */
export async function lockSnapshot(
  owner: AccountClients,
  snapshotId: string,
  days: number,
  lock: SnapshotLock = { mode: 'governance' },
): Promise<{ lockedUntil: string }> {
  const wanted = new Date(Date.now() + Math.min(days, LONGEST_DAYS) * DAY_MS);
  const earlier = await readLock(owner, snapshotId);
  const until = earlier?.LockExpiresOn;
  const isStrict = earlier?.LockState?.startsWith('compliance') === true;
  const isLongEnough = until !== undefined && until.getTime() >= wanted.getTime() - graceMs(days);
  if (earlier && isLongEnough && (isStrict || lock.mode === 'governance')) {
    told(owner, snapshotId, earlier.LockState ?? '', until, 'had been locked before');
    return { lockedUntil: until.toISOString() };
  }

  const mode = isStrict ? 'compliance' : lock.mode;
  const later = until && until > wanted ? until : wanted;
  // Once the cooling-off hours are over there are no others: AWS takes the parameter only before that.
  const coolOff = earlier?.LockState === 'compliance' ? undefined : (earlier?.CoolOffPeriod ?? lock.coolOffHours);
  const answer = await awsStep(
    `locking snapshot ${snapshotId} of account ${owner.accountId} in ${mode} mode until ${later.toISOString()}`,
    (options) =>
      owner.ec2.send(
        new LockSnapshotCommand({
          SnapshotId: snapshotId,
          LockMode: mode,
          // The lock of a pending snapshot has a duration and no end yet.
          ...(until
            ? { ExpirationDate: later }
            : { LockDuration: Math.max(Math.min(days, LONGEST_DAYS), earlier?.LockDuration ?? 0) }),
          ...(mode === 'compliance' && coolOff !== undefined && { CoolOffPeriod: coolOff }),
        }),
        options,
      ),
  );
  const end = answer.LockExpiresOn ?? later;
  told(owner, snapshotId, answer.LockState ?? mode, end, until ? 'was locked for longer than before' : 'was locked');
  return { lockedUntil: end.toISOString() };
}

async function readLock(owner: AccountClients, snapshotId: string): Promise<LockedSnapshotsInfo | undefined> {
  const { Snapshots: locks } = await awsStep(`reading the lock of snapshot ${snapshotId}`, (options) =>
    owner.ec2.send(new DescribeLockedSnapshotsCommand({ SnapshotIds: [snapshotId] }), options),
  );
  // A lock that ran out is still listed, as `expired`. Source: EC2 API Reference, LockedSnapshotsInfo.
  return locks?.find((lock) => lock.SnapshotId === snapshotId && lock.LockState !== 'expired');
}

function told(owner: AccountClients, snapshotId: string, state: string, until: Date, how: string): void {
  const lockedUntil = until.toISOString();
  noteAct({
    message: `Snapshot ${snapshotId} of account ${owner.accountId} ${how} (${state}): it cannot be deleted before ${lockedUntil}, unless the lock is lifted`,
    data: { snapshotId, accountId: owner.accountId, lock: state, lockedUntil },
  });
}
