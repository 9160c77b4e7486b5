import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { GetObjectCommand, HeadObjectCommand, type HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import { type EvidenceInventory, type KnownObject, nameOf } from '../domain/evidence-inventory';
import type { AccountClients } from './aws/clients';
import { awsStep, currentActivity } from './aws/errors';
import type { ListedVersion } from './case-evidence';
import type { ForensicsConfig } from './config';
import { type AuditFindings, compareLockEnd, orDifference } from './audit-findings';
import { SHA256_METADATA } from './evidence-store';

interface Digest {
  sha256: string;
  sizeBytes: number;
}

/** Heartbeat details: what an earlier attempt has read need not be read again. */
type Hashed = Record<string, Digest>;

/**
 * Every object that the case answers for: there, whole (read from the first byte to the last), locked, held where a legal hold
 * stands, under the evidence key, and not hidden by a newer version or a delete marker. Further versions below the case's folder
 * are read too and held against the digest that they carry themselves, which proves less.
 */
export async function auditObjects(
  forensics: AccountClients,
  config: ForensicsConfig,
  inventory: EvidenceInventory,
  listed: readonly ListedVersion[],
  found: AuditFindings,
): Promise<{ objects: number; bytes: number }> {
  const bucket = config.buckets.evidence;
  const hashed: Hashed = { ...(currentActivity()?.info.heartbeatDetails as { hashed?: Hashed } | undefined)?.hashed };
  const known = new Map(inventory.objects.map((object) => [nameOf(object), object]));
  const total = { objects: 0, bytes: 0 };

  const check = async (object: Omit<KnownObject, 'sha256'>, sha256: string | undefined): Promise<void> => {
    const what = placeOf(object);
    const head = await orDifference(found, what, () => headOf(forensics, object));
    if (!head) return;
    protections(found, what, head, config.evidenceKeyArn, inventory.legalHold);
    const expected = sha256 ?? head.Metadata?.[SHA256_METADATA];
    const name = nameOf(object);
    const read = hashed[name] ?? (await orDifference(found, what, () => digestOf(forensics, object, hashed)));
    if (!read) return;
    hashed[name] = read;
    total.objects += 1;
    total.bytes += read.sizeBytes;
    if (expected === undefined)
      found.notes.push(`${what} is named nowhere and carries no digest: nothing to compare it with`);
    else if (read.sha256 !== expected) {
      const source = sha256 === undefined ? 'it says itself' : 'the custody log says';
      const problem = `its bytes are not those that were stored: SHA-256 is ${read.sha256}, ${source} ${expected}`;
      found.differences.push({ what, problem, severity: 'critical' });
    } else if (object.sizeBytes !== undefined && object.sizeBytes !== read.sizeBytes) {
      const problem = `it has ${read.sizeBytes} bytes, the custody log says ${object.sizeBytes}`;
      found.differences.push({ what, problem, severity: 'critical' });
    }
  };

  for (const object of known.values()) await check(object, object.sha256);

  let unnamed = 0;
  for (const version of listed) {
    const object = { bucket, ...version };
    if (known.has(nameOf(object))) continue;
    const hides = [...known.values()].some(({ key }) => key === version.key);
    if (version.isDeleteMarker) {
      const problem =
        'a delete marker lies over it: somebody deleted it, and its versions are hidden from plain listings';
      found.differences.push({ what: placeOf(object), problem, severity: 'high' });
    } else {
      if (hides && version.isLatest) {
        const problem = 'a newer version lies over the one that the custody log names: somebody wrote over it';
        found.differences.push({ what: placeOf(object), problem, severity: 'high' });
      }
      unnamed += 1;
      const { key, versionId, sizeBytes } = version;
      await check({ bucket, key, versionId, sizeBytes }, undefined);
    }
  }
  if (unnamed > 0)
    found.notes.push(
      `${unnamed} object version(s) are named neither by the custody log nor by the seal: held against their own metadata`,
    );
  return total;
}

const placeOf = ({ bucket, key, versionId }: { bucket: string; key: string; versionId: string }): string =>
  `s3://${bucket}/${key} (version ${versionId})`;

function protections(
  found: AuditFindings,
  what: string,
  head: HeadObjectCommandOutput,
  evidenceKeyArn: string,
  legalHold: boolean,
): void {
  const { ObjectLockMode: mode, ObjectLockRetainUntilDate: until, ObjectLockLegalHoldStatus: hold, SSEKMSKeyId } = head;
  const difference = (problem: string): void => void found.differences.push({ what, problem, severity: 'high' });
  if (mode === undefined || until === undefined) difference('it has no retention: whoever may delete can delete it');
  else if (until.getTime() <= Date.now()) found.notes.push(`the retention of ${what} ended at ${until.toISOString()}`);
  compareLockEnd(found, what, until);
  if (legalHold && hold !== 'ON') difference('the case is under legal hold, and it is not');
  if (SSEKMSKeyId !== undefined && SSEKMSKeyId !== evidenceKeyArn)
    difference(`it is encrypted under ${SSEKMSKeyId}, not the evidence key`);
}

type Version = Pick<KnownObject, 'bucket' | 'key' | 'versionId'>;

function headOf({ s3 }: AccountClients, { bucket: Bucket, key: Key, versionId: VersionId }: Version) {
  return awsStep(`looking at s3://${Bucket}/${Key}`, (options) =>
    s3.send(new HeadObjectCommand({ Bucket, Key, VersionId }), options),
  );
}

/** Reads the whole object; heartbeats as it goes. */
async function digestOf(
  { s3 }: AccountClients,
  { bucket: Bucket, key: Key, versionId: VersionId }: Version,
  hashed: Hashed,
): Promise<Digest> {
  const activity = currentActivity();
  return awsStep(`reading s3://${Bucket}/${Key}`, async (options) => {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key, VersionId }), options);
    const hash = createHash('sha256');
    let sizeBytes = 0;
    if (Body instanceof Readable) {
      for await (const chunk of Body as AsyncIterable<Buffer>) {
        hash.update(chunk);
        sizeBytes += chunk.length;
        activity?.heartbeat({ hashed, reading: Key, bytes: sizeBytes });
      }
    }
    return { sha256: hash.digest('hex'), sizeBytes };
  });
}
