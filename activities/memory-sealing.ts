import { heartbeat, log } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { DeleteObjectCommand, GetObjectCommand } from '@aws-sdk/client-s3';
import { z } from 'zod';
import type { Exhibit } from '../domain/evidence';
import { bannerOf, judgeMemoryImage } from '../domain/memory-image';
import type { AwsClients } from './aws/clients';
import { awsStep } from './aws/errors';
import type { ForensicsConfig } from './config';
import type { CopySource } from './evidence-copy';
import type { EvidenceStore, StoredEvidence } from './evidence-store';
import { fetchKernelFacts, KERNEL_FACTS, type KernelFacts, readKernelFacts } from './kernel-facts';
import { completeUpload, headObject, type ReadImage, readMemoryImage } from './memory-upload';
import type { MemoryActivities } from './types';

type SealInput = Parameters<MemoryActivities['sealMemoryImage']>[0];

const IMAGE_TYPE = 'application/octet-stream';

const evidencePrefix = (caseId: string, attempt: number): string => `cases/${caseId}/memory/attempt-${attempt}`;
export const memoryEvidenceKey = (caseId: string, attempt: number): string =>
  `${evidencePrefix(caseId, attempt)}/memory.lime`;
/** What arrived and is not sound is evidence too, and kept as such. */
export const rejectedMemoryKey = (caseId: string, attempt: number): string =>
  `${evidencePrefix(caseId, attempt)}/rejected/memory.lime`;
/** How the image was acquired and checked. It is written before the image, so that a repeated step tells the same. */
export const acquisitionRecordKey = (caseId: string, attempt: number): string =>
  `${evidencePrefix(caseId, attempt)}/acquisition.json`;

const STORED = z.object({
  bucket: z.string(),
  key: z.string(),
  versionId: z.string(),
  sha256: z.string(),
  sizeBytes: z.number(),
});
const RECORD = z.object({ notes: z.array(z.string()), companions: z.array(STORED) });
type AcquisitionRecord = z.infer<typeof RECORD>;

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
    const key = memoryEvidenceKey(caseId, capture.attempt);
    const earlier = await store.findEvidence(key, report.sha256);
    if (earlier) {
      await deleteStaged(input);
      return exhibitOf(input, earlier, await readRecord(input));
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
    const kernel = await keepKernelFacts(input);
    const { version } = kernel.facts;
    const image = await readMemoryImage(s3(), object, version === undefined ? undefined : bannerOf(version));
    const differences = compare(input, image, completed.parts);
    if (differences.length > 0) {
      const why = `what arrived is not what was read: ${differences.join('; ')}`;
      throw await rejected(input, object, image, 'EvidenceMismatch', why);
    }
    const judgement = judgeMemoryImage(image, kernel.facts);
    if (judgement.problem !== undefined) {
      const why = `it is not a usable memory image: ${judgement.problem}`;
      throw await rejected(input, object, image, 'EvidenceUnusable', why);
    }

    const record = {
      notes: [
        'SHA-256 was computed on the instance while the image was streamed off it, and again in the forensics account by re-reading the whole object: both are equal',
        ...judgement.notes,
        ...kernel.notes,
        changesOf(report),
      ],
      companions: kernel.stored,
    };
    await writeRecord(input, image, record);
    const stored = await store.copyEvidence({
      key,
      source: object,
      sha256: image.sha256,
      contentType: IMAGE_TYPE,
      retentionDays,
      onProgress: (bytesCopied) => heartbeat({ step: 'copying', bytesCopied, bytesExpected: object.sizeBytes }),
    });
    await deleteStaged(input);
    return exhibitOf(input, stored, record);
  };

  /** Keeps what the kernel says of itself, whatever it is worth; what cannot be used of it is told, and costs no image. */
  async function keepKernelFacts(
    input: SealInput,
  ): Promise<{ facts: Partial<KernelFacts>; stored: StoredEvidence[]; notes: string[] }> {
    const { caseId, capture, report, retentionDays } = input;
    const without = (why: string, stored: StoredEvidence[] = []) => ({
      facts: {},
      stored,
      notes: [`what the kernel says of itself (symbols, modules, ranges) is not used: ${why}`],
    });
    if ('reason' in report.kernelFacts) return without(report.kernelFacts.reason);
    const { sha256, sizeBytes } = report.kernelFacts;
    const source = await headObject(s3(), capture.upload.bucket, stagedFactsKey(input));
    if (!source) return without(`${KERNEL_FACTS} was reported and did not arrive`);
    const archive = await fetchKernelFacts(s3(), source).catch((error: unknown) => {
      if (error instanceof ApplicationFailure && error.type === 'EvidenceUnusable') return error.message;
      throw error;
    });
    if (typeof archive === 'string') return without(archive);
    const kept = await store.putEvidence({
      key: `${evidencePrefix(caseId, capture.attempt)}/${KERNEL_FACTS}`,
      body: archive,
      contentType: 'application/gzip',
      retentionDays,
    });
    if (kept.sha256 !== sha256) {
      return without(`${KERNEL_FACTS} has SHA-256 ${kept.sha256} and ${sizeBytes} reported bytes of ${sha256}`, [kept]);
    }
    try {
      const facts = readKernelFacts(archive);
      const names = facts.files.map((file) => file.name).join(', ');
      return { facts, stored: [kept], notes: [`what the kernel says of itself is kept beside it: ${names}`] };
    } catch (error) {
      return without(`${KERNEL_FACTS} cannot be read: ${error instanceof Error ? error.message : String(error)}`, [
        kept,
      ]);
    }
  }

  async function writeRecord(
    { caseId, target, capture, report, retentionDays }: SealInput,
    image: ReadImage,
    record: AcquisitionRecord,
  ) {
    const { sha256, sizeBytes, ranges, memoryBytes } = image;
    const addresses = image.covered.map(({ first, last }) => `${first.toString(16)}-${last.toString(16)}`);
    const content = {
      caseId,
      instanceId: target.instanceId,
      attempt: capture.attempt,
      commandId: capture.commandId,
      document: capture.document,
      acquiredAt: capture.startedAt,
      report,
      image: { sha256, sizeBytes, ranges, memoryBytes: String(memoryBytes), addresses },
      ...record,
    };
    await store.putEvidence({
      key: acquisitionRecordKey(caseId, capture.attempt),
      body: Buffer.from(JSON.stringify(content, null, 1)),
      contentType: 'application/json',
      retentionDays,
    });
  }

  async function readRecord({ caseId, capture }: SealInput): Promise<AcquisitionRecord> {
    const location = { Bucket: config.buckets.evidence, Key: acquisitionRecordKey(caseId, capture.attempt) };
    return awsStep(`reading s3://${location.Bucket}/${location.Key}`, async (options) => {
      const { Body: body } = await s3().send(new GetObjectCommand(location), options);
      return RECORD.parse(JSON.parse((await body?.transformToString()) ?? ''));
    });
  }

  /** Keeps the rejected image write-once beside the good ones, and says where it lies. */
  async function rejected(
    input: SealInput,
    object: CopySource,
    image: ReadImage,
    type: 'EvidenceMismatch' | 'EvidenceUnusable',
    why: string,
  ): Promise<ApplicationFailure> {
    const { caseId, target, capture, retentionDays } = input;
    const key = rejectedMemoryKey(caseId, capture.attempt);
    const kept = await store.copyEvidence({
      key,
      source: object,
      sha256: image.sha256,
      contentType: IMAGE_TYPE,
      retentionDays,
    });
    const location = { bucket: kept.bucket, key: kept.key, versionId: kept.versionId };
    return ApplicationFailure.nonRetryable(
      `memory image of ${target.instanceId}: ${why}. It is kept as s3://${kept.bucket}/${kept.key} (version ${kept.versionId})`,
      type,
      { location },
    );
  }

  async function deleteStaged(input: SealInput): Promise<void> {
    const { bucket, key } = input.capture.upload;
    try {
      for (const Key of [key, stagedFactsKey(input)]) {
        await awsStep(`deleting s3://${bucket}/${Key}`, (options) =>
          s3().send(new DeleteObjectCommand({ Bucket: bucket, Key }), options),
        );
      }
    } catch (error) {
      // The evidence is safe; what is left in staging expires by the bucket's own rule.
      log.warn('a staged image could not be deleted', { bucket, key, problem: String(error) });
    }
  }

  return { sealMemoryImage };
}

const stagedFactsKey = ({ capture }: SealInput): string => capture.upload.key.replace(/[^/]*$/, KERNEL_FACTS);

function compare({ capture, report }: SealInput, image: ReadImage, parts: number | undefined): string[] {
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
  if (!capture.tools.some((tool) => tool.sha256 === report.tool.sha256)) {
    differences.push(`it was read by a tool of SHA-256 ${report.tool.sha256}, which was not given`);
  }
  return differences;
}

/** What the acquisition changed on the suspect. */
function changesOf({ module, taintBefore, taintAfter }: SealInput['report']): string {
  const taint = `the kernel's taint flags were ${taintBefore ?? 'not known'} before and ${taintAfter ?? 'not known'} after`;
  if (module === 'none') return `on the instance no kernel module was loaded; ${taint}`;
  return `on the instance a kernel module was loaded and ${module === 'unloaded' ? 'removed again' : 'is STILL LOADED'}; ${taint}`;
}

function exhibitOf(
  { exhibitId, target, capture, report }: SealInput,
  { bucket, key, versionId, sha256, sizeBytes }: StoredEvidence,
  { notes, companions }: AcquisitionRecord,
): Exhibit {
  const tool = capture.tools.find((one) => one.sha256 === report.tool.sha256) ?? report.tool;
  return {
    id: exhibitId,
    kind: 'memory',
    source: target.instanceId,
    sha256,
    sizeBytes,
    location: { s3: { bucket, key, versionId } },
    acquiredAt: capture.startedAt,
    tool,
    notes,
    ...(companions.length > 0 && { companions }),
  };
}
