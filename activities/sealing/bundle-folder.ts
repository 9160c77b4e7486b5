import { createHash } from 'node:crypto';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { ApplicationFailure } from '@temporalio/common';
import type { S3Location } from '../../domain/evidence';
import type { AwsClients } from '../aws/clients';
import { awsCode, awsStep } from '../aws/errors';
import type { EvidenceStore, StoredEvidence } from '../evidence-store';

/** Below the evidence bucket. */
export const bundlePrefix = (caseId: string): string => `cases/${caseId}/bundle/`;

const TYPES: Record<string, string> = {
  json: 'application/json',
  jsonl: 'application/jsonl',
  jsonld: 'application/ld+json',
  html: 'text/html; charset=utf-8',
  md: 'text/markdown; charset=utf-8',
  cjs: 'text/javascript; charset=utf-8',
  pem: 'application/x-pem-file',
};
const typeOf = (path: string): string => TYPES[path.slice(path.lastIndexOf('.') + 1)] ?? 'text/plain; charset=utf-8';

/** A case's bundle as it lies in the evidence bucket, write-once like everything there. */
export class BundleFolder {
  constructor(
    private readonly parts: { clients: AwsClients; store: EvidenceStore; bucket: string },
    readonly caseId: string,
    private readonly retentionDays: number,
  ) {}

  /** Writes a file; the same content again gives the version that is there. */
  put(path: string, content: Buffer): Promise<StoredEvidence> {
    return this.parts.store.putEvidence(this.evidence(path, content));
  }

  /**
   * Writes a file that there can be only one of: what is there already stays and is what counts.
   * @returns the content that stands there now
   */
  async putFirst(path: string, content: Buffer): Promise<Buffer> {
    try {
      await this.parts.store.putEvidence({ ...this.evidence(path, content), onlyIfAbsent: true });
      return content;
    } catch (error) {
      if (awsCode(error) !== 'PreconditionFailed') throw error;
      const first = await this.find(path);
      if (first) return first;
      throw error;
    }
  }

  /** The newest version of a file; undefined when there is none. */
  async find(path: string): Promise<Buffer | undefined> {
    try {
      return await this.read({ bucket: this.parts.bucket, key: this.key(path) });
    } catch (error) {
      if (awsCode(error) === 'NoSuchKey') return undefined;
      throw error;
    }
  }

  /**
   * An object as it was recorded.
   * @throws ApplicationFailure `EvidenceMismatch` (final) when it has another digest
   */
  async recorded(object: S3Location & { sha256: string }): Promise<Buffer> {
    const content = await this.read(object);
    const found = createHash('sha256').update(content).digest('hex');
    if (found === object.sha256) return content;
    throw ApplicationFailure.nonRetryable(
      `s3://${object.bucket}/${object.key} has SHA-256 ${found}, recorded was ${object.sha256}: nothing was sealed; ` +
        'find out who has changed it',
      'EvidenceMismatch',
    );
  }

  key(path: string): string {
    return `${bundlePrefix(this.caseId)}${path}`;
  }

  private evidence(path: string, body: Buffer) {
    return { key: this.key(path), body, contentType: typeOf(path), retentionDays: this.retentionDays };
  }

  private read({ bucket: Bucket, key: Key, versionId: VersionId }: S3Location): Promise<Buffer> {
    return awsStep(`reading s3://${Bucket}/${Key}`, async (options) => {
      const { Body: body } = await this.parts.clients
        .forensics()
        .s3.send(new GetObjectCommand({ Bucket, Key, ...(VersionId !== undefined && { VersionId }) }), options);
      return Buffer.from((await body?.transformToByteArray()) ?? []);
    });
  }
}
