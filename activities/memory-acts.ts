import { ApplicationFailure } from '@temporalio/common';
import { failureCode } from './command-following';
import { noteAct } from './custody-acts';
import type { StoredEvidence } from './evidence-store';
import type { MemoryActivities, MemoryCapture, MemoryCaptureReport } from './types';

type SealInput = Parameters<MemoryActivities['sealMemoryImage']>[0];

/** Of a kernel module there may be one for each kernel release; an entry of the custody log names a few. */
const TOOLS_NAMED = 20;

const nameOf = ({ name, version }: { name: string; version: string }): string => `${name} ${version}`;

/*
 * What the acquisition of memory does to the suspect, as the shell of ssm-documents/acquire-memory-linux.sh has it: it runs as
 * root, writes to a tmpfs (which is memory) only, and removes its folder there and its module when it ends. The agent ends a
 * command by SIGKILL: then both stay until the next acquisition sweeps them up, or a restart. The agent itself keeps script,
 * output and log of a command on the disk, below /var/lib/amazon/ssm and /var/log/amazon/ssm (Systems Manager User Guide, "SSM
 * Agent log files"); for how long was not looked up on AWS.
 */

/** For the act of cancelling such a command. */
export const ENDED_BY_FORCE = {
  changesSuspect: true,
  change:
    'an acquisition of memory ended by force: its folder on a tmpfs, and its kernel module if it had loaded one, may have stayed ' +
    'behind until the next acquisition or a restart',
  reversible: true,
};

export function noteCaptureStart({ commandId, instanceId, document, attempt, tools, upload }: MemoryCapture): void {
  noteAct({
    message:
      `The SSM agent of ${instanceId} is told to run document ${document.name} (version ${document.version}) as root: it reads ` +
      `the memory with ${[...new Set(tools.map(nameOf))].join(' or ')} and streams it to the staging bucket`,
    document,
    data: {
      commandId,
      instanceId,
      attempt,
      ...(tools.length <= TOOLS_NAMED ? { tools } : { toolsGiven: tools.length }),
      upload: { bucket: upload.bucket, key: upload.key },
      changesSuspect: true,
      change: `SSM command ${commandId}: processes run as root; script, output and log of it kept on disk by the SSM agent`,
      reversible: false,
    },
  });
}

export function noteCaptureEnd(capture: MemoryCapture, report: MemoryCaptureReport): void {
  const { commandId, instanceId, document, attempt, upload } = capture;
  const { tool, sha256, sizeBytes, parts, module, taintBefore, taintAfter, clockOffset, timeSource } = report;
  noteAct({
    message:
      `The memory of ${instanceId} was read by ${nameOf(tool)} and left it as ${sizeBytes} bytes in ${parts} parts; ` +
      `its SHA-256 was computed there on the way out. ${clockSentence(report)}`,
    tool: { ...tool },
    document,
    sha256,
    ...(typeof clockOffset === 'number' && { clockOffsetSeconds: clockOffset }),
    data: {
      commandId,
      instanceId,
      attempt,
      sizeBytes,
      parts,
      ...(timeSource !== undefined && { timeSource }),
      changesSuspect: true,
      change:
        `memory taken up by the acquisition: its programs, and a folder on a tmpfs with the tool and at most two parts of ` +
        `${upload.partSizeBytes} bytes, removed at its end`,
      reversible: false,
    },
  });
  if (module === 'none') return;
  const taint = `taint flags ${taintBefore ?? 'not known'} before, ${taintAfter ?? 'not known'} after`;
  noteAct({
    message: `Kernel module ${nameOf(tool)} was loaded on ${instanceId} and ${module === 'unloaded' ? 'removed again' : 'is STILL LOADED'}; ${taint}`,
    tool: { ...tool },
    data: {
      commandId,
      instanceId,
      module,
      taintBefore,
      taintAfter,
      changesSuspect: true,
      change: `kernel module ${tool.name} loaded (${module}); ${taint}`,
      // Taint flags stay until the kernel is started anew. Source: Linux, Documentation/admin-guide/tainted-kernels.rst.
      reversible: taintBefore !== null && taintBefore === taintAfter,
    },
  });
}

/** What the command ended with; a worker that is lost or stopped ends nothing, and nothing is told then. */
export function noteCaptureFailure({ commandId, instanceId, document, attempt }: MemoryCapture, error: unknown): void {
  if (!(error instanceof ApplicationFailure) || !['CommandFailed', 'CommandTimedOut'].includes(error.type ?? ''))
    return;
  const code = failureCode(error);
  // A code in small letters is the document's own (it came to its end and tidied up), or says that it never ran.
  const isTidy = code !== undefined && /^[a-z-]+$/.test(code);
  noteAct({
    message: `The acquisition of the memory of ${instanceId} ended without an image: ${error.message}`,
    document,
    data: { commandId, instanceId, attempt, ...(code !== undefined && { code }), ...(!isTidy && ENDED_BY_FORCE) },
  });
}

/** The suspect's clock against S3's, as the document measured it: by the Date header of the manifest's answer. */
export function clockSentence({ clockOffset, timeSource }: MemoryCaptureReport): string {
  const kept = timeSource === undefined ? '' : ` (it says of itself: ${timeSource})`;
  if (clockOffset === undefined || clockOffset === null) {
    return `How far the instance’s clock was off could not be told${kept}`;
  }
  const off =
    clockOffset === 0
      ? 'agreed with that of S3'
      : `was ${Math.abs(clockOffset)} s ${clockOffset > 0 ? 'ahead of' : 'behind'} that of S3`;
  return (
    `The instance’s clock ${off} by the Date header of an answer${kept}: whole seconds on both sides, so true to about a ` +
    'second, and to the time that the answer took'
  );
}

export const exhibitNamed = ({ exhibitId, target }: SealInput): { id: string; kind: 'memory'; source: string } => ({
  id: exhibitId,
  kind: 'memory',
  source: target.instanceId,
});

/** What is kept beside the image. */
export function noteBeside(
  input: SealInput,
  what: string,
  { bucket, key, versionId, sha256, sizeBytes }: StoredEvidence,
): void {
  noteAct({
    message: `Kept write-once: ${what}, as s3://${bucket}/${key} (version ${versionId})`,
    exhibit: exhibitNamed(input),
    sha256,
    data: { location: { bucket, key, versionId }, sizeBytes },
  });
}

export function noteSealed(input: SealInput, { bucket, key, versionId, sha256, sizeBytes }: StoredEvidence): void {
  noteAct({
    message:
      `The memory image of ${input.target.instanceId} was re-read, has the SHA-256 that the instance computed, and is kept ` +
      `write-once as s3://${bucket}/${key} (version ${versionId}), ${sizeBytes} bytes`,
    exhibit: exhibitNamed(input),
    sha256,
    data: { attempt: input.capture.attempt, location: { bucket, key, versionId }, sizeBytes },
  });
}
