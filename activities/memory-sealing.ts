import { heartbeat, log } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { DeleteObjectCommand, GetObjectCommand } from '@aws-sdk/client-s3';
import { z } from 'zod';
import type { Exhibit } from '../domain/evidence';
import { bannerOf, judgeMemoryImage } from '../domain/memory-image';
import type { AwsClients } from './aws/clients';
import { awsStep } from './aws/errors';
import type { ForensicsConfig } from './config';
import { noteAct } from './custody-acts';
import type { CopySource } from './evidence-copy';
import { type EvidenceStore, STORED_EVIDENCE, type StoredEvidence } from './evidence-store';
import { fetchKernelFacts, KERNEL_FACTS, type KernelFacts, readKernelFacts } from './kernel-facts';
import { clockSentence, exhibitNamed, noteBeside, noteSealed } from './memory-acts';
import { differingParts, PART_DIGESTS } from './memory-parts';
import { keepParts, MEMORY_TRANSFER, sentParts, stagedBeside } from './memory-transfer';
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
/** The digests of its parts. */
export const memoryPartsKey = (caseId: string, attempt: number): string =>
  `${evidencePrefix(caseId, attempt)}/${PART_DIGESTS}`;
/** How the image was acquired and checked. It is written before the image, so that a repeated step tells the same. */
export const acquisitionRecordKey = (caseId: string, attempt: number): string =>
  `${evidencePrefix(caseId, attempt)}/acquisition.json`;

const RECORD = z.object({
  notes: z.array(z.string()),
  companions: z.array(STORED_EVIDENCE),
  transfer: MEMORY_TRANSFER.exactOptional(),
});
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
      noteSealed(input, earlier);
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
    const { partSizeBytes } = capture.upload;
    noteAct({
      message:
        `The upload of the memory image is whole: ${object.sizeBytes} bytes` +
        `${completed.parts === undefined ? '' : ` in ${completed.parts} parts`} lie in s3://${object.bucket}/${object.key}, not yet verified`,
      exhibit: exhibitNamed(input),
      data: { bucket: object.bucket, key: object.key, sizeBytes: object.sizeBytes, etag: object.etag },
    });
    const kernel = await keepKernelFacts(input);
    const { version } = kernel.facts;
    const banner = version === undefined ? undefined : bannerOf(version);
    const image = await readMemoryImage(s3(), object, partSizeBytes, banner);
    const sent = await sentParts(s3(), input);
    const differences = [
      ...compare(input, image, completed.parts),
      ...('reason' in sent ? [] : differingParts(image.parts, sent.parts, partSizeBytes)),
    ];
    if (differences.length > 0) {
      const why = `what arrived is not what was read: ${differences.join('; ')}`;
      throw await rejected(input, object, image, 'EvidenceMismatch', why);
    }
    const judgement = judgeMemoryImage(image, kernel.facts);
    if (judgement.problem !== undefined) {
      const why = `it is not a usable memory image: ${judgement.problem}`;
      throw await rejected(input, object, image, 'EvidenceUnusable', why);
    }

    for (const stored of kernel.stored) noteBeside(input, 'What the kernel says of itself', stored);
    const transfer = await keepParts(
      store,
      memoryPartsKey(caseId, capture.attempt),
      input,
      image.parts,
      !('reason' in sent),
    );
    const record = {
      notes: [
        'SHA-256 was computed on the instance while the image was streamed off it, and again in the forensics account by re-reading the whole object: both are equal',
        'reason' in sent
          ? `the digests of its ${image.parts.length} parts are those of the forensics account alone: ${sent.reason}`
          : `each of its ${image.parts.length} parts has the SHA-256 that was computed on the instance before it was sent`,
        ...judgement.notes,
        ...kernel.notes,
        changesOf(report),
        clockSentence(report),
      ],
      companions: [...kernel.stored, transfer.list],
      transfer,
    };
    noteBeside(input, `The digests of the ${transfer.parts} parts of the memory image`, transfer.list);
    await writeRecord(input, image, record);
    const stored = await store.copyEvidence({
      key,
      source: object,
      sha256: image.sha256,
      contentType: IMAGE_TYPE,
      retentionDays,
      onProgress: (bytesCopied) => heartbeat({ step: 'copying', bytesCopied, bytesExpected: object.sizeBytes }),
    });
    noteSealed(input, stored);
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
    const source = await headObject(s3(), capture.upload.bucket, stagedBeside(capture, KERNEL_FACTS));
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
    noteAct({
      message: `The memory image was rejected and is kept write-once as s3://${kept.bucket}/${kept.key} (version ${kept.versionId}): ${why}`,
      exhibit: exhibitNamed(input),
      sha256: kept.sha256,
      data: { attempt: capture.attempt, location, sizeBytes: kept.sizeBytes, failure: type },
    });
    return ApplicationFailure.nonRetryable(
      `memory image of ${target.instanceId}: ${why}. It is kept as s3://${kept.bucket}/${kept.key} (version ${kept.versionId})`,
      type,
      { location },
    );
  }

  async function deleteStaged(input: SealInput): Promise<void> {
    const { bucket, key } = input.capture.upload;
    try {
      const staged = [key, stagedBeside(input.capture, KERNEL_FACTS), stagedBeside(input.capture, PART_DIGESTS)];
      for (const Key of staged) {
        await awsStep(`deleting s3://${bucket}/${Key}`, (options) =>
          s3().send(new DeleteObjectCommand({ Bucket: bucket, Key }), options),
        );
      }
      noteAct({
        message: `The staged copy of the memory image was deleted from s3://${bucket}/${key}, since the evidence bucket holds it`,
        exhibit: exhibitNamed(input),
        data: { bucket, keys: staged },
      });
    } catch (error) {
      // The evidence is safe; what is left in staging expires by the bucket's own rule.
      log.warn('a staged image could not be deleted', { bucket, key, problem: String(error) });
    }
  }

  return { sealMemoryImage };
}

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
  { notes, companions, transfer }: AcquisitionRecord,
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
    ...(transfer && { transfer }),
  };
}
