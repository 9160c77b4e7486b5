import { heartbeat, log } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import type { Exhibit } from '../domain/evidence';
import type { AwsClients } from './aws/clients';
import { awsStep } from './aws/errors';
import type { ForensicsConfig } from './config';
import type { CopySource } from './evidence-copy';
import type { EvidenceStore } from './evidence-store';
import { completeUpload, type ReadImage, readMemoryImage } from './memory-upload';
import type { MemoryActivities } from './types';

type SealInput = Parameters<MemoryActivities['sealMemoryImage']>[0];

const IMAGE_TYPE = 'application/octet-stream';
/** Metadata in which an image carries its notes (URI-encoded JSON), so that a repeated step tells the same. */
const NOTES_METADATA = 'notes';

export const memoryEvidenceKey = (caseId: string): string => `cases/${caseId}/memory/memory.lime`;
/** What arrived and is not sound is evidence too, and kept as such. */
export const rejectedMemoryKey = (caseId: string): string => `cases/${caseId}/memory/rejected/memory.lime`;

/** The last step of a memory acquisition: closes the upload, verifies the image off the suspect, and locks it away. */
export function createMemorySealing(dependencies: {
  config: ForensicsConfig;
  clients: AwsClients;
  store: EvidenceStore;
}): Pick<MemoryActivities, 'sealMemoryImage'> {
  const { config, clients, store } = dependencies;
  const s3 = () => clients.forensics().s3;

  const sealMemoryImage: MemoryActivities['sealMemoryImage'] = async (input) => {
    const { caseId, capture, report, retentionDays } = input;
    const key = memoryEvidenceKey(caseId);
    const earlier = await store.findEvidence(key, report.sha256);
    if (earlier) {
      await deleteStaged(input);
      return exhibitOf(input, earlier, decodeNotes(earlier.metadata[NOTES_METADATA]));
    }

    const completed = await completeUpload(s3(), capture.upload);
    if (!completed) {
      throw ApplicationFailure.nonRetryable(
        `the memory image of ${input.target.instanceId} never arrived: s3://${config.buckets.staging}/${capture.upload.key} ` +
          'has neither an object nor an upload with parts',
        'EvidenceUnusable',
      );
    }
    const { object } = completed;
    const image = await readMemoryImage(s3(), object);
    const differences = compare(report, image, completed.parts);
    if (differences.length > 0) {
      throw await rejected(
        input,
        object,
        image,
        'EvidenceMismatch',
        `what arrived is not what was read: ${differences.join('; ')}`,
      );
    }
    if (image.problem !== undefined) {
      throw await rejected(
        input,
        object,
        image,
        'EvidenceUnusable',
        `it is not a usable memory image: ${image.problem}`,
      );
    }

    const notes = notesOf(image);
    const stored = await store.copyEvidence({
      key,
      source: object,
      sha256: image.sha256,
      contentType: IMAGE_TYPE,
      retentionDays,
      metadata: { [NOTES_METADATA]: encodeURIComponent(JSON.stringify(notes)) },
      onProgress: (bytesCopied) => heartbeat({ step: 'copying', bytesCopied, bytesExpected: object.sizeBytes }),
    });
    await deleteStaged(input);
    return exhibitOf(input, stored, notes);
  };

  /** Keeps the rejected image write-once beside the good ones, and says where it lies. */
  async function rejected(
    input: SealInput,
    object: CopySource,
    image: ReadImage,
    type: 'EvidenceMismatch' | 'EvidenceUnusable',
    why: string,
  ): Promise<ApplicationFailure> {
    const { caseId, target, retentionDays } = input;
    const key = rejectedMemoryKey(caseId);
    const kept = await store.copyEvidence({
      key,
      source: object,
      sha256: image.sha256,
      contentType: IMAGE_TYPE,
      retentionDays,
    });
    const location = `s3://${kept.bucket}/${kept.key} (version ${kept.versionId})`;
    return ApplicationFailure.nonRetryable(
      `memory image of ${target.instanceId}: ${why}. It is kept as ${location} and in staging; acquire it again while the instance runs`,
      type,
      { location: kept },
    );
  }

  async function deleteStaged({ capture }: SealInput): Promise<void> {
    const { bucket, key } = capture.upload;
    try {
      await awsStep(`deleting s3://${bucket}/${key}`, (options) =>
        s3().send(new DeleteObjectCommand({ Bucket: bucket, Key: key }), options),
      );
    } catch (error) {
      // The evidence is safe; what is left in staging expires by the bucket's own rule.
      log.warn('a staged image could not be deleted', { bucket, key, problem: String(error) });
    }
  }

  return { sealMemoryImage };
}

function compare(report: SealInput['report'], image: ReadImage, parts: number | undefined): string[] {
  const differences: string[] = [];
  if (parts !== undefined && parts !== report.parts) {
    differences.push(`${parts} parts arrived, ${report.parts} were reported`);
  }
  if (image.sizeBytes !== report.sizeBytes) {
    differences.push(`${image.sizeBytes} bytes arrived, ${report.sizeBytes} were reported`);
  }
  if (image.sha256 !== report.sha256) {
    differences.push(`SHA-256 ${image.sha256} here, ${report.sha256} on the instance`);
  }
  return differences;
}

function notesOf(image: ReadImage): string[] {
  return [
    'SHA-256 was computed on the instance while the image was streamed off it, and again in the forensics account by re-reading the whole object: both are equal',
    `LiME image of ${image.ranges} ranges with ${image.memoryBytes} bytes of memory; blocks of zeros may be left out`,
    // Short enough for S3's 2 KB of metadata, even when every character takes three.
    `kernel banner: ${(image.banner ?? '').slice(0, 240)}`,
  ];
}

function decodeNotes(encoded: string | undefined): string[] {
  if (encoded === undefined) return [];
  try {
    const notes: unknown = JSON.parse(decodeURIComponent(encoded));
    return Array.isArray(notes) ? notes.map(String) : [];
  } catch {
    return [];
  }
}

function exhibitOf(
  { target, capture }: SealInput,
  stored: { bucket: string; key: string; versionId: string; sha256: string; sizeBytes: number },
  notes: string[],
): Exhibit {
  const { bucket, key, versionId, sha256, sizeBytes } = stored;
  return {
    id: 'memory',
    kind: 'memory',
    source: target.instanceId,
    sha256,
    sizeBytes,
    location: { s3: { bucket, key, versionId } },
    acquiredAt: capture.startedAt,
    tool: capture.tool,
    notes,
  };
}
