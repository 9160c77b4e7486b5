import { type Client, defaultPayloadConverter } from '@temporalio/client';
import type { CaseView } from '../../workflows/contract/messages';
import { diskWorkflowId, examinationWorkflowId, memoryWorkflowId } from '../../workflows/contract/workflow-ids';
import { bytes } from './output';

/** How far one piece of work is, as the worker reported it last. */
export interface Progress {
  /** What is being worked on: `memory` or a volume id. */
  exhibit: string;
  step: 'acquisition' | 'examination';
  /** 0 to 1; absent where nobody knows (a tool that does not tell). */
  fraction?: number;
  /** E.g. `96.0 MiB of 256.0 MiB`, or what the worker waits for. */
  note: string;
}

interface Heartbeat {
  bytesUploaded?: number;
  bytesRead?: number;
  bytesCopied?: number;
  bytesExpected?: number;
  blocksDone?: number;
  blocksTotal?: number;
  step?: string;
}

/**
 * Progress of every child workflow that runs, from the heartbeats of its activities. A child that has just started or
 * ended is left out.
 */
export async function progressOf(client: Client, view: CaseView): Promise<Progress[]> {
  const { caseId } = view;
  const acquired = new Set([...view.exhibits, ...view.missing].map((one) => one.id));
  const examined = new Set(view.examinations.map((one) => one.exhibit));
  const work: { exhibit: string; step: Progress['step']; workflowId: string }[] = [];
  for (const exhibit of exhibitsIn(view.inProgress)) {
    if (!acquired.has(exhibit)) {
      const workflowId = exhibit === 'memory' ? memoryWorkflowId(caseId) : diskWorkflowId(caseId, exhibit);
      work.push({ exhibit, step: 'acquisition', workflowId });
    } else if (!examined.has(exhibit)) {
      work.push({ exhibit, step: 'examination', workflowId: examinationWorkflowId(caseId, exhibit) });
    }
  }
  const found = await Promise.all(
    work.map(async (one) => ({ ...one, ...(await lastHeartbeat(client, one.workflowId)) })),
  );
  return found.map(({ exhibit, step, heartbeat, activity }) => ({ exhibit, step, ...tell(heartbeat, activity) }));
}

/** The exhibits that the case's sentences about what is in progress name. */
function exhibitsIn(sentences: string[]): string[] {
  return [
    ...new Set(
      sentences.map((sentence) => /vol-[0-9a-f]+/.exec(sentence)?.[0] ?? (sentence.includes('memory') ? 'memory' : '')),
    ),
  ].filter(Boolean);
}

async function lastHeartbeat(client: Client, workflowId: string): Promise<{ heartbeat: Heartbeat; activity: string }> {
  try {
    const description = await client.workflow.getHandle(workflowId).describe();
    const [pending] = description.raw.pendingActivities ?? [];
    const payload = pending?.heartbeatDetails?.payloads?.[0];
    return {
      activity: pending?.activityType?.name ?? '',
      heartbeat: payload ? (defaultPayloadConverter.fromPayload<Heartbeat | undefined>(payload) ?? {}) : {},
    };
  } catch {
    // Not started yet, or gone: there is no progress to tell.
    return { heartbeat: {}, activity: '' };
  }
}

/** Plain words for the steps that tell no figure. */
const STEPS: Record<string, string> = {
  awaitSnapshot: 'AWS is copying',
  startMemoryCapture: 'the document is being sent',
  awaitForensicInstance: 'the forensic instance is starting',
  attachEvidenceVolume: 'the evidence is being attached',
  awaitExamination: 'the tools are running',
  collectExamination: 'the results are being read',
  releaseForensicInstance: 'the forensic instance is being ended',
};

function tell(heartbeat: Heartbeat, activity: string): Pick<Progress, 'fraction' | 'note'> {
  const { blocksDone, blocksTotal, bytesExpected } = heartbeat;
  const done = heartbeat.bytesUploaded ?? heartbeat.bytesRead ?? heartbeat.bytesCopied;
  if (done !== undefined && bytesExpected) {
    const verb = heartbeat.step ?? 'uploaded';
    return {
      fraction: Math.min(1, done / bytesExpected),
      note: `${verb}: ${bytes(done)} of about ${bytes(bytesExpected)}`,
    };
  }
  if (blocksDone !== undefined && blocksTotal) {
    return {
      fraction: Math.min(1, blocksDone / blocksTotal),
      note: `comparing: ${blocksDone} of ${blocksTotal} blocks`,
    };
  }
  return { note: STEPS[activity] ?? '' };
}
