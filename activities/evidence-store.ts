import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { ApplicationFailure } from '@temporalio/common';
import {
  HeadObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  PutObjectLegalHoldCommand,
} from '@aws-sdk/client-s3';
import { z } from 'zod';
import type { S3Location } from '../domain/evidence';
import type { AwsClients } from './aws/clients';
import { awsStep, currentActivity } from './aws/errors';
import type { ForensicsConfig } from './config';
import { noteAct } from './custody-acts';
import { copyObject, type CopySource } from './evidence-copy';

/** An object of the evidence bucket, pinned to the version that was written; `sha256` in lowercase hexadecimal. */
export const STORED_EVIDENCE = z.object({
  bucket: z.string(),
  key: z.string(),
  versionId: z.string(),
  sha256: z.string(),
  sizeBytes: z.number(),
});
export type StoredEvidence = z.infer<typeof STORED_EVIDENCE>;

export interface EvidenceToPut {
  /** Below the evidence bucket: `cases/<caseId>/…`. */
  key: string;
  body: Buffer | { file: string };
  contentType: string;
  retentionDays: number;
  /** Fails with S3's `PreconditionFailed` when there is an object with other content under the key. */
  onlyIfAbsent?: true;
}

export interface EvidenceToCopy {
  key: string;
  source: CopySource;
  /** Of the source's bytes, as this worker has just read them. */
  sha256: string;
  contentType: string;
  retentionDays: number;
  /** Small facts that stay with the object; US-ASCII, 2 KB together with their names. */
  metadata?: Record<string, string>;
  onProgress?: (bytesCopied: number) => void;
}

export interface EvidenceStore {
  /**
   * Writes an object once: Object Lock retention, the evidence key, its SHA-256 checked by S3 and kept as metadata. The
   * same key with the same content gives the version that lies there; other content makes a new version beside it.
   */
  putEvidence(evidence: EvidenceToPut): Promise<StoredEvidence>;
  /** The same for an object that lies in S3 already; its bytes never pass through this process. */
  copyEvidence(evidence: EvidenceToCopy): Promise<StoredEvidence>;
  /** The newest version under the key, if it carries this SHA-256. */
  findEvidence(
    key: string,
    sha256: string,
  ): Promise<(StoredEvidence & { metadata: Record<string, string> }) | undefined>;
  /**
   * Puts a legal hold on each version, or takes it off; a repeated call changes nothing. A hold has no end and stands beside
   * retention: a version can be deleted when neither holds it. Heartbeats after each object.
   *
   * @throws ApplicationFailure `InvalidRequest` (final) for a location without a version id, before anything is changed.
   */
  setLegalHold(objects: readonly S3Location[], on: boolean): Promise<void>;
}

/** S3 metadata under which every object of ours carries its digest. */
export const SHA256_METADATA = 'sha256';
/** Objects that one entry of the custody log names: it must fit an item of the table. */
const OBJECTS_IN_AN_ACT = 200;
/** One PutObject takes at most 5 GiB. Source: S3 User Guide, "Uploading objects". */
const LARGEST_PUT = 5 * 1024 ** 3;

export function createEvidenceStore(dependencies: { config: ForensicsConfig; clients: AwsClients }): EvidenceStore {
  const { config, clients } = dependencies;
  const bucket = config.buckets.evidence;
  const s3 = () => clients.forensics().s3;

  const protection = (retentionDays: number) =>
    ({
      ServerSideEncryption: 'aws:kms',
      SSEKMSKeyId: config.evidenceKeyArn,
      BucketKeyEnabled: true,
      // Governance: an administrator with a special right may still correct a mistake; nobody else may delete.
      ObjectLockMode: config.objectLockMode === 'compliance' ? 'COMPLIANCE' : 'GOVERNANCE',
      ObjectLockRetainUntilDate: new Date(Date.now() + retentionDays * 86_400_000),
    }) satisfies Partial<PutObjectCommandInput>;

  const findEvidence: EvidenceStore['findEvidence'] = async (key, sha256) =>
    awsStep(`reading s3://${bucket}/${key}`, async () => {
      try {
        const head = await s3().send(new HeadObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: 'ENABLED' }));
        const metadata = head.Metadata ?? {};
        if (metadata[SHA256_METADATA] !== sha256 || !agrees(head.ChecksumSHA256, sha256)) return undefined;
        return { ...stored(key, head.VersionId, sha256, head.ContentLength ?? 0), metadata };
      } catch (error) {
        if (error instanceof Error && (error.name === 'NotFound' || error.name === 'NoSuchKey')) return undefined;
        throw error;
      }
    });

  const stored = (key: string, versionId: string | undefined, sha256: string, sizeBytes: number): StoredEvidence => {
    if (versionId === undefined || versionId === 'null') {
      throw ApplicationFailure.nonRetryable(
        `s3://${bucket}/${key} has no version id: versioning is off in the evidence bucket, so nothing there is write-once`,
        'InvalidRequest',
      );
    }
    return { bucket, key, versionId, sha256, sizeBytes };
  };

  return {
    findEvidence,
    async putEvidence({ key, body, contentType, retentionDays, onlyIfAbsent }) {
      const { sha256, sizeBytes } = Buffer.isBuffer(body)
        ? { sha256: createHash('sha256').update(body).digest('hex'), sizeBytes: body.length }
        : await digestOfFile(body.file);
      const earlier = await findEvidence(key, sha256);
      if (earlier) return withoutMetadata(earlier);
      const answer = await awsStep(`writing s3://${bucket}/${key}`, () =>
        clients.forensics().s3WithoutRetries.send(
          new PutObjectCommand({
            ...protection(retentionDays),
            Bucket: bucket,
            Key: key,
            Body: Buffer.isBuffer(body) ? body : createReadStream(body.file),
            ContentLength: sizeBytes,
            ContentType: contentType,
            // Named as well as given: a write with retention needs one of S3's own checksum headers.
            ChecksumAlgorithm: 'SHA256',
            ChecksumSHA256: Buffer.from(sha256, 'hex').toString('base64'),
            Metadata: { [SHA256_METADATA]: sha256 },
            ...(onlyIfAbsent && { IfNoneMatch: '*' }),
          }),
        ),
      );
      return stored(key, answer.VersionId, sha256, sizeBytes);
    },
    async copyEvidence({ key, source, sha256, contentType, retentionDays, metadata, onProgress }) {
      const earlier = await findEvidence(key, sha256);
      if (earlier) return withoutMetadata(earlier);
      const versionId = await copyObject(clients.forensics(), source, {
        ...protection(retentionDays),
        Bucket: bucket,
        Key: key,
        ContentType: contentType,
        Metadata: { ...metadata, [SHA256_METADATA]: sha256 },
        sha256,
        ...(onProgress && { onProgress }),
      });
      return stored(key, versionId, sha256, source.sizeBytes);
    },
    async setLegalHold(objects, on) {
      const versions = objects.map((object) => requireVersion(object));
      for (let first = 0; first < versions.length; first += OBJECTS_IN_AN_ACT) {
        const batch = versions.slice(first, first + OBJECTS_IN_AN_ACT);
        for (const { bucket: Bucket, key: Key, versionId: VersionId } of batch) {
          const hold = new PutObjectLegalHoldCommand({
            ...{ Bucket, Key, VersionId },
            LegalHold: { Status: on ? 'ON' : 'OFF' },
          });
          const what = `${on ? 'putting a legal hold on' : 'lifting the legal hold of'} s3://${Bucket}/${Key}`;
          await awsStep(what, (options) => s3().send(hold, options));
          currentActivity()?.heartbeat({ step: 'legal hold', key: Key });
        }
        noteAct({
          message: on
            ? `A legal hold was put on ${batch.length} stored objects: none of them can be deleted until it is lifted`
            : `The legal hold of ${batch.length} stored objects was lifted; their retention is as it was`,
          data: { legalHold: on, objects: batch },
        });
      }
    },
  };
}

function requireVersion({ bucket, key, versionId }: S3Location): Required<S3Location> {
  if (versionId !== undefined) return { bucket, key, versionId };
  throw ApplicationFailure.nonRetryable(
    `s3://${bucket}/${key} is named without a version: a legal hold is of one version, and none was changed`,
    'InvalidRequest',
  );
}

/** Metadata only claims a digest; S3's own tells, where it has one of the whole object (`…-<n>` is one of its parts). */
function agrees(checksum: string | undefined, sha256: string): boolean {
  return checksum === undefined || checksum.includes('-') || Buffer.from(checksum, 'base64').toString('hex') === sha256;
}

function withoutMetadata(evidence: StoredEvidence & { metadata?: unknown }): StoredEvidence {
  const { bucket, key, versionId, sha256, sizeBytes } = evidence;
  return { bucket, key, versionId, sha256, sizeBytes };
}

async function digestOfFile(file: string): Promise<{ sha256: string; sizeBytes: number }> {
  const { size } = await stat(file);
  if (size > LARGEST_PUT) {
    throw ApplicationFailure.nonRetryable(
      `${file} has ${size} bytes; a single write takes at most ${LARGEST_PUT}: stage it and copy it instead`,
      'InvalidRequest',
    );
  }
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return { sha256: hash.digest('hex'), sizeBytes: size };
}
