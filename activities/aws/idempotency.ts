import { createHash } from 'node:crypto';
import { type EC2Client, paginateDescribeSnapshots, type Snapshot, type Tag } from '@aws-sdk/client-ec2';
import { sleep } from '@temporalio/activity';
import { attempt, awsStep, currentActivity } from './errors';

/** The case that something belongs to. */
export const CASE_TAG = 'forensics:case';
/** The step that made something: what a later attempt of the same step looks for before it makes another one. */
export const OPERATION_TAG = 'forensics:operation';
/** What a standing resource of the product is for, e.g. a security group: `isolation`, `untrack`. */
export const ROLE_TAG = 'forensics:role';
/** The volume on the suspect that a snapshot goes back to; a copy's own VolumeId is arbitrary (EC2 API, CopySnapshot). */
export const VOLUME_TAG = 'forensics:volume';

/** The name of a step of a case, e.g. `<caseId>/copy/vol-1`; what `OPERATION_TAG` holds. */
export function operationOf(caseId: string, ...step: string[]): string {
  return [caseId, ...step].join('/');
}

/** The tags that everything made in a case carries from the call on that makes it. */
export function operationTags(caseId: string, operation: string, more: Record<string, string> = {}): Tag[] {
  return Object.entries({ [CASE_TAG]: caseId, [OPERATION_TAG]: operation, ...more }).map(([Key, Value]) => ({
    Key,
    Value,
  }));
}

/** A token for calls that take a ClientToken: 64 ASCII characters, the same in every attempt of the step. */
export function clientToken(...operation: string[]): string {
  return createHash('sha256').update(JSON.stringify(operation)).digest('hex');
}

/** Milliseconds after which EC2's own listing is expected to show what an earlier attempt made. */
const SETTLE_MS = 3_000;

/**
 * The account's own snapshots that a step has made before, oldest first.
 *
 * EC2 is eventually consistent: on a later attempt, an empty answer is asked for again after a moment, since the answer
 * that got lost may belong to a snapshot that the listing does not show yet (EC2 API reference, "Eventual consistency").
 */
export async function findSnapshotsOf(ec2: EC2Client, operation: string): Promise<Snapshot[]> {
  const found = await listSnapshotsOf(ec2, operation);
  if (found.length > 0 || attempt() === 1 || !currentActivity()) return found;
  await sleep(SETTLE_MS);
  return listSnapshotsOf(ec2, operation);
}

async function listSnapshotsOf(ec2: EC2Client, operation: string): Promise<Snapshot[]> {
  return awsStep(`looking for snapshots of step ${operation}`, async (options) => {
    const found: Snapshot[] = [];
    const query = { OwnerIds: ['self'], Filters: [{ Name: `tag:${OPERATION_TAG}`, Values: [operation] }] };
    for await (const page of paginateDescribeSnapshots({ client: ec2, pageSize: 1000 }, query, options)) {
      found.push(...(page.Snapshots ?? []));
    }
    const time = (snapshot: Snapshot): number => snapshot.StartTime?.getTime() ?? 0;
    return found.sort((a, b) => time(a) - time(b) || (a.SnapshotId ?? '').localeCompare(b.SnapshotId ?? ''));
  });
}
