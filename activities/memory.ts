import { log } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { DescribeInstancesCommand } from '@aws-sdk/client-ec2';
import { AbortMultipartUploadCommand } from '@aws-sdk/client-s3';
import { DescribeInstanceInformationCommand } from '@aws-sdk/client-ssm';
import { z } from 'zod';
import { type MemoryTool, nextTools } from '../domain/memory-tools';
import { longestDeadline } from '../domain/policy';
import type { InstanceTarget } from '../domain/target';
import type { AwsClients } from './aws/clients';
import { attempt, awsStep } from './aws/errors';
import { operationOf } from './aws/idempotency';
import { cancelCommand, failureCode, followCommand } from './command-following';
import { findCommand, sendCommandOnce } from './commands';
import type { ForensicsConfig } from './config';
import { noteAct } from './custody-acts';
import { createEvidenceStore } from './evidence-store';
import {
  FIRST_MANIFEST_SECONDS,
  MANIFEST_RENEWAL,
  type ManifestRenewal,
  presignGet,
  publishPartsManifest,
  stagingPrefix,
} from './manifests';
import { KERNEL_FACTS } from './kernel-facts';
import { ENDED_BY_FORCE, noteCaptureEnd, noteCaptureFailure, noteCaptureStart } from './memory-acts';
import { PART_DIGESTS } from './memory-parts';
import { createMemorySealing } from './memory-sealing';
import { findUploads, listParts, openUpload, planParts } from './memory-upload';
import type { MemoryActivities, MemoryCapture } from './types';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const word = z.string().max(100);
const staged = z.union([
  z.object({ sha256, sizeBytes: z.int().positive() }),
  z.object({ reason: z.string().max(400) }),
]);
/** What the document prints as its result. It runs on the suspect: nothing of it is believed before it is compared. */
const REPORT = z.object({
  sha256,
  sizeBytes: z.int().positive(),
  parts: z.int().min(1).max(10_000),
  tool: z.object({ name: word, version: word, sha256 }),
  module: z.enum(['none', 'unloaded', 'left-loaded']),
  taintBefore: z.int().nullable(),
  taintAfter: z.int().nullable(),
  kernelFacts: staged,
  partDigests: staged.exactOptional(),
  clockOffset: z.int().nullable().exactOptional(),
  timeSource: z.string().max(400).exactOptional(),
});

/** Codes by which the document says that it is the tool that did not do. */
const TOOL_FAILURES = [
  'tool-failed',
  'module-refused',
  'no-tool-for-kernel',
  'empty-image',
  'wrong-tool',
  'tool-unreachable',
];

/** The configured tool is a binary for this architecture. */
const ARCHITECTURE = 'x86_64';

const operationOfCapture = (caseId: string, attempt: number): string =>
  operationOf(caseId, 'acquire-memory', String(attempt));
/** Each attempt has a place of its own, so that none takes for its own what another one left. */
export const memoryStagingPrefix = (caseId: string, attempt: number): string =>
  stagingPrefix(caseId, 'memory', `attempt-${attempt}`);
export const stagedImageKey = (caseId: string, attempt: number): string =>
  `${memoryStagingPrefix(caseId, attempt)}/memory.lime`;

/** Acquires the memory of a running instance through SSM: the instance itself gets pre-signed URLs and no credentials. */
export function createMemoryActivities(dependencies: {
  config: ForensicsConfig;
  clients: AwsClients;
  renewal?: ManifestRenewal;
}): MemoryActivities {
  const { config, clients, renewal = MANIFEST_RENEWAL } = dependencies;
  const acquiring = (target: InstanceTarget, caseId: string) =>
    clients.member(target.accountId, target.region, 'acquire', caseId);
  const s3 = () => clients.forensics().s3;
  const { sealMemoryImage } = createMemorySealing({ config, clients, store: createEvidenceStore(dependencies) });

  async function requireCommandable(caseId: string, target: InstanceTarget): Promise<void> {
    const { instanceId } = target;
    const { ec2, ssm } = clients.member(target.accountId, target.region, 'triage', caseId);
    const { Reservations } = await awsStep(`DescribeInstances of ${instanceId}`, (options) =>
      ec2.send(new DescribeInstancesCommand({ InstanceIds: [instanceId] }), options),
    );
    const state = Reservations?.[0]?.Instances?.[0]?.State?.Name ?? 'unknown';
    if (state !== 'running') {
      throw unavailable(instanceId, `it is ${state}; memory is gone once an instance does not run`);
    }
    const { InstanceInformationList: list } = await awsStep(`DescribeInstanceInformation of ${instanceId}`, (options) =>
      ssm.send(
        new DescribeInstanceInformationCommand({ Filters: [{ Key: 'InstanceIds', Values: [instanceId] }] }),
        options,
      ),
    );
    const agent = list?.find((information) => information.InstanceId === instanceId);
    if (!agent) throw unavailable(instanceId, 'no SSM agent has registered for it');
    if (agent.PingStatus !== 'Online') {
      throw unavailable(instanceId, `its SSM agent is ${agent.PingStatus ?? 'unknown'}, not Online`);
    }
    if (agent.PlatformType !== 'Linux') {
      throw unsupported(instanceId, `there is no memory document for ${agent.PlatformType ?? 'its platform'}`);
    }
  }

  const startMemoryCapture: MemoryActivities['startMemoryCapture'] = async (input) => {
    const { caseId, facts, deadlineSeconds } = input;
    const { target } = facts;
    if (facts.architecture !== ARCHITECTURE) {
      throw unsupported(target.instanceId, `the memory tools are for ${ARCHITECTURE}, it is ${facts.architecture}`);
    }
    const tools = nextTools(config.memoryTools, input.attempts);
    if (tools.length === 0) return null;
    const number = input.attempts.length + 1;
    const operation = operationOfCapture(caseId, number);
    const search = { clients: acquiring(target, caseId), operation, instanceId: target.instanceId, deadlineSeconds };
    // A command that an earlier attempt sent counts, whatever became of the agent since.
    if (attempt() === 1 || !(await findCommand(search))) await requireCommandable(caseId, target);

    const bucket = config.buckets.staging;
    const key = stagedImageKey(caseId, number);
    const plan = planParts(facts.memoryMiB, config.memoryPartSizeBytes);
    const upload = { bucket, key, uploadId: await openUpload(s3(), bucket, key), ...plan };
    const command = await sendCommandOnce({
      ...search,
      document: config.documents.acquireMemoryLinux,
      documentNamedBy: 'arn',
      parameters: async () => {
        const manifest = await publishPartsManifest(
          s3(),
          'first',
          { ...stagedBeside(caseId, number), upload, firstPart: 1, tools: await Promise.all(tools.map(presigned)) },
          renewal,
        );
        const ManifestUrl = await presignGet(s3(), { bucket, key: manifest.key }, FIRST_MANIFEST_SECONDS);
        return { ManifestUrl, CaseId: caseId };
      },
    });
    const capture = {
      ...command,
      attempt: number,
      tool: tools[0]?.name ?? '',
      upload,
      tools: tools.map(({ name, version, sha256 }) => ({ name, version, sha256 })),
    };
    noteCaptureStart(capture);
    return capture;
  };

  const presigned = async ({ key, ...tool }: MemoryTool) => ({
    ...tool,
    url: await presignGet(s3(), { bucket: config.buckets.tools, key }, renewal.urlSeconds),
  });

  const stagedBeside = (caseId: string, number: number) => ({
    caseId,
    prefix: memoryStagingPrefix(caseId, number),
    outputs: [KERNEL_FACTS, PART_DIGESTS],
  });

  const awaitMemoryCapture: MemoryActivities['awaitMemoryCapture'] = async ({ caseId, target, capture }) => {
    const renew = manifestRenewal(caseId, capture);
    const report = await followCommand({
      ssm: acquiring(target, caseId).ssm,
      command: capture,
      result: REPORT,
      ifCancelled: ENDED_BY_FORCE,
      progress: async () => {
        const parts = (await listParts(s3(), capture.upload)) ?? [];
        await renew(parts.at(-1)?.PartNumber ?? 1);
        return {
          bytesUploaded: parts.reduce((sum, part) => sum + (part.Size ?? 0), 0),
          partsUploaded: parts.length,
          bytesExpected: capture.upload.partSizeBytes * capture.upload.partCount,
        };
      },
    }).catch((error: unknown) => {
      noteCaptureFailure(capture, error);
      throw isToolFailure(error)
        ? ApplicationFailure.nonRetryable(error.message, 'ToolRefused', ...(error.details ?? []))
        : error;
    });
    noteCaptureEnd(capture, report);
    return report;
  };

  /**
   * Keeps the manifest that the suspect goes on with young, and its window of part URLs ahead of the upload. It holds the
   * last part that arrived too: S3's answer may have been lost on its way to the suspect. All of it follows from the parts
   * that arrived and the time, so that an attempt that takes over knows as much.
   */
  function manifestRenewal(caseId: string, capture: MemoryCapture): (lastPart: number) => Promise<void> {
    const { upload } = capture;
    let firstPart = 1;
    let writtenAt = Date.parse(capture.startedAt);
    return async (lastPart) => {
      const isShort = lastPart - firstPart >= renewal.parts / 4 && firstPart + renewal.parts <= upload.partCount;
      if (!isShort && Date.now() - writtenAt < renewal.everyMs) return;
      const beside = stagedBeside(caseId, capture.attempt);
      await publishPartsManifest(s3(), 'renewed', { ...beside, upload, firstPart: lastPart }, renewal);
      firstPart = lastPart;
      writtenAt = Date.now();
    };
  }

  const abandonMemoryCapture: MemoryActivities['abandonMemoryCapture'] = async (input) => {
    const { caseId, target, capture } = input;
    const account = acquiring(target, caseId);
    const document = config.documents.acquireMemoryLinux;
    // Without a capture the start was lost on its way: what it made is found by its operation and its key.
    const found =
      capture ??
      (await findCommand({
        clients: account,
        operation: operationOfCapture(caseId, input.attempt),
        instanceId: target.instanceId,
        // A rule may have given the case more time than the policy gives by itself.
        deadlineSeconds: longestDeadline(config.policy, 'memory'),
      }));
    const commandId = capture?.commandId ?? (found && 'CommandId' in found ? found.CommandId : undefined);
    if (commandId !== undefined) {
      const command = { commandId, instanceId: target.instanceId, document, startedAt: '' };
      if (!(await cancelCommand(account.ssm, command, ENDED_BY_FORCE))) {
        log.warn('a memory command has not ended after its cancellation', { commandId, instanceId: target.instanceId });
      }
    }
    const bucket = config.buckets.staging;
    const key = stagedImageKey(caseId, input.attempt);
    for (const UploadId of await findUploads(s3(), bucket, key)) {
      await awsStep(`aborting the upload to s3://${bucket}/${key}`, async (options) => {
        try {
          await s3().send(new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId }), options);
        } catch (error) {
          if (!(error instanceof Error) || error.name !== 'NoSuchUpload') throw error;
        }
      });
      noteAct({
        message: `The unfinished upload of a memory image to s3://${bucket}/${key} was given up; its parts are deleted`,
        data: { attempt: input.attempt, bucket, key },
      });
    }
  };

  return { startMemoryCapture, awaitMemoryCapture, sealMemoryImage, abandonMemoryCapture };
}

function isToolFailure(error: unknown): error is ApplicationFailure {
  if (!(error instanceof ApplicationFailure) || error.type !== 'CommandFailed') return false;
  return TOOL_FAILURES.includes(failureCode(error) ?? '');
}

function unavailable(instanceId: string, why: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(`memory of ${instanceId} cannot be acquired: ${why}`, 'AgentUnavailable');
}

function unsupported(instanceId: string, why: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(`memory of ${instanceId} cannot be acquired: ${why}`, 'UnsupportedPlatform');
}
