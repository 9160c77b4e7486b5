import type { Severity } from './finding';

/** A call on AWS that works on what keeps evidence, as CloudTrail recorded it. */
export interface EvidenceThreat {
  /** CloudTrail's id of the event: delivered twice, it is the same. */
  eventId: string;
  /** ISO 8601. */
  at: string;
  region: string;
  /** Account in which it happened. */
  accountId: string;
  /** e.g. `ec2:UnlockSnapshot` */
  call: string;
  /** ARN of who called; may be chosen by an attacker in part (session name). */
  caller: string;
  /** ARN of the role behind a session. */
  role?: string;
  sourceAddress?: string;
  /** Error code: AWS refused the call. */
  refused?: string;
  severity: Extract<Severity, 'medium' | 'high' | 'critical'>;
  /** What the call would do to evidence. */
  means: string;
  target:
    | { kind: 'snapshots'; snapshotIds: string[] }
    | { kind: 'object'; bucket: string; key?: string }
    | { kind: 'key'; keyId: string }
    | { kind: 'table'; table: string }
    | { kind: 'trail' };
}

interface Meaning {
  target: EvidenceThreat['target']['kind'];
  severity: EvidenceThreat['severity'];
  means: string;
}

/**
 * Calls that can take evidence away, open it to others, or hide that somebody did; by event source and name, as CloudTrail writes
 * them. Source: API references of EC2, KMS, S3, DynamoDB and CloudTrail; names of S3 events: S3 User Guide, "CloudTrail events".
 */
export const THREATS: Readonly<Record<string, Meaning>> = {
  'ec2:DeleteSnapshot': { target: 'snapshots', severity: 'critical', means: 'deletes a disk that is evidence' },
  'ec2:UnlockSnapshot': {
    target: 'snapshots',
    severity: 'critical',
    means: 'lifts the lock of a disk that is evidence',
  },
  'ec2:LockSnapshot': { target: 'snapshots', severity: 'medium', means: 'changes the lock of a disk that is evidence' },
  'ec2:ModifySnapshotAttribute': { target: 'snapshots', severity: 'critical', means: 'shares a disk that is evidence' },
  'ec2:ModifySnapshotTier': {
    target: 'snapshots',
    severity: 'medium',
    means: 'moves a disk that is evidence to the archive',
  },
  'ec2:DeleteTags': { target: 'snapshots', severity: 'medium', means: 'takes the tags off by which evidence is found' },
  'kms:PutKeyPolicy': { target: 'key', severity: 'high', means: 'changes who may use the key of evidence' },
  'kms:DisableKey': { target: 'key', severity: 'critical', means: 'makes evidence unreadable' },
  'kms:ScheduleKeyDeletion': { target: 'key', severity: 'critical', means: 'will make evidence unreadable for ever' },
  'kms:RevokeGrant': { target: 'key', severity: 'medium', means: 'may make disks under the key unreadable' },
  's3:PutBucketPolicy': { target: 'object', severity: 'high', means: 'changes who may reach evidence' },
  's3:DeleteBucketPolicy': { target: 'object', severity: 'high', means: 'changes who may reach evidence' },
  's3:PutBucketPublicAccessBlock': { target: 'object', severity: 'high', means: 'may open evidence to the public' },
  's3:DeleteBucketPublicAccessBlock': {
    target: 'object',
    severity: 'critical',
    means: 'may open evidence to the public',
  },
  's3:PutBucketVersioning': { target: 'object', severity: 'high', means: 'changes whether versions are kept' },
  's3:PutBucketLifecycle': { target: 'object', severity: 'high', means: 'may let evidence expire' },
  's3:PutBucketObjectLockConfiguration': {
    target: 'object',
    severity: 'high',
    means: 'changes how evidence is locked',
  },
  's3:DeleteBucket': { target: 'object', severity: 'critical', means: 'deletes the evidence bucket' },
  's3:PutObjectLegalHold': { target: 'object', severity: 'high', means: 'changes the legal hold of evidence' },
  's3:PutObjectRetention': { target: 'object', severity: 'high', means: 'changes the retention of evidence' },
  's3:DeleteObject': { target: 'object', severity: 'critical', means: 'deletes evidence or hides it' },
  's3:DeleteObjects': { target: 'object', severity: 'critical', means: 'deletes evidence or hides it' },
  'dynamodb:DeleteTable': { target: 'table', severity: 'critical', means: 'deletes the custody log' },
  'dynamodb:UpdateTable': { target: 'table', severity: 'high', means: 'may let the custody log be deleted' },
  'cloudtrail:StopLogging': { target: 'trail', severity: 'critical', means: 'hides what is done from now on' },
  'cloudtrail:DeleteTrail': { target: 'trail', severity: 'critical', means: 'hides what is done from now on' },
  'cloudtrail:UpdateTrail': { target: 'trail', severity: 'high', means: 'may hide what is done from now on' },
  'cloudtrail:PutEventSelectors': { target: 'trail', severity: 'high', means: 'may hide what is done from now on' },
};

/** Roles of the product, by what they are for. */
export interface OwnRoles {
  worker: string[];
  acquire: string[];
  purge: string[];
}

/** What the product does by itself: each of these by the role that it is for. Any other call of the same role is an alarm. */
const OWN_CALLS: Readonly<Record<string, (keyof OwnRoles)[]>> = {
  'ec2:LockSnapshot': ['worker', 'acquire'],
  'ec2:ModifySnapshotAttribute': ['acquire'],
  's3:PutObjectRetention': ['worker'],
  's3:PutObjectLegalHold': ['worker'],
  's3:DeleteObject': ['purge'],
  'ec2:DeleteSnapshot': ['purge'],
};

/** Whether the product itself made the call, in the way that it does; a refused one is looked at whoever called. */
export function isOwnCall({ call, caller, role, refused }: EvidenceThreat, own: OwnRoles): boolean {
  if (refused !== undefined) return false;
  const arns = (OWN_CALLS[call] ?? []).flatMap((purpose) => own[purpose]);
  return arns.includes(caller) || (role !== undefined && arns.includes(role));
}

export function threatSentence({ call, caller, sourceAddress, refused, means, at }: EvidenceThreat): string {
  const from = sourceAddress === undefined ? '' : ` from ${sourceAddress}`;
  return refused === undefined
    ? `${caller} called ${call}${from} at ${at}: it ${means}`
    : `${caller} tried ${call}${from} at ${at} and AWS refused it (${refused}): it ${means}`;
}
