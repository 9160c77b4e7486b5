import { Context, heartbeat } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { Activities, MemoryCapture, StartedCommand, StartedExamination } from '../../activities/types';
import type { ContainmentPlan, EnforcedLayer, LayerState } from '../../domain/containment';
import { BUNDLE_FORMAT } from '../../domain/custody/bundle';
import type { CustodyDraft } from '../../domain/custody/entry';
import type { InstanceFacts } from '../../domain/instance-facts';
import type { PolicyDecision } from '../../domain/policy';
import type { FailureType } from '../../workflows/contract/failures';
import { diskExhibit, instanceFacts, memoryExhibit, policyDecision } from './case-fixtures';

/** The ladder that these steps go up. */
export const MEMORY_TOOLS = [
  { name: 'avml', version: '0.21.0', sha256: 'a'.repeat(64) },
  { name: 'lime', version: '1.9.1', sha256: '9'.repeat(64) },
];

export type ActivityName = keyof Activities;
type Input<N extends ActivityName> = Parameters<Activities[N]>[0];
type Result<N extends ActivityName> = Awaited<ReturnType<Activities[N]>>;

export interface Call {
  name: ActivityName;
  input: unknown;
  workflowId: string;
  attempt: number;
  startedAt: number;
  endedAt?: number;
  end?: 'succeeded' | 'failed' | 'cancelled';
}

export interface Script {
  facts?: Partial<InstanceFacts>;
  decision?: Partial<PolicyDecision>;
  /** Milliseconds that a step takes; it heartbeats and ends early when it is cancelled. */
  delays?: { [N in ActivityName]?: number | ((input: Input<N>) => number) };
  /** A step answers only once this is so: what has to happen meanwhile then depends on no machine's speed. */
  holds?: { [N in ActivityName]?: (fakes: Fakes) => boolean };
  /** Throws to make a step fail; `nth` counts the calls of that step from 1. Runs after delay and hold. */
  failures?: { [N in ActivityName]?: (input: Input<N>, nth: number) => void };
  /** Changes what a step answers. */
  results?: { [N in ActivityName]?: (result: Result<N>, input: Input<N>) => Result<N> };
}

/** How long a condition is waited for: far longer than a busy machine needs, and shorter than {@link UNENDING}. */
const PATIENCE_MILLISECONDS = 60_000;
/** Delay of a step that the test itself ends: it outlasts every wait, and costs nothing. */
export const UNENDING = 150_000;

/** A failure as the real activities throw them: final, or (for the passing kinds) retried soon. */
export function failure(type: FailureType, message: string): ApplicationFailure {
  const passing = type === 'NotReady' || type === 'Throttled' || type === 'Unavailable';
  return ApplicationFailure.create({
    message,
    type,
    nonRetryable: !passing,
    ...(passing && { nextRetryDelay: '50ms' }),
  });
}

/** A layer's state as the activities would read it; layers without one here are in no plan of these tests. */
export function layerState(plan: ContainmentPlan, layer: EnforcedLayer, when: 'before' | 'after'): LayerState {
  const { internetEdge, securityGroups } = plan.layers;
  if (layer === 'internet-edge') {
    const addresses = internetEdge.map((one) => ({ ...one, present: when === 'before' }));
    return { layer, state: { addresses } };
  }
  if (layer === 'security-groups') {
    const interfaces = securityGroups.map(({ networkInterfaceId, vpcId, groupsBefore }) => ({
      networkInterfaceId,
      vpcId,
      groups: when === 'before' ? groupsBefore : ['sg-00000000000000009'],
    }));
    return { layer, state: { interfaces } };
  }
  if (layer === 'network-acl') return { layer, state: { subnets: [] } };
  throw new TypeError(`no state for layer ${layer}`);
}

/** Stand-ins for every step of a case: what AWS would answer, with delays and failures by script, and a log of calls. */
export class Fakes {
  readonly calls: Call[] = [];
  readonly activities: Activities;

  constructor(private readonly script: Script = {}) {
    this.activities = this.build();
  }

  of(name: ActivityName): Call[] {
    return this.calls.filter((call) => call.name === name);
  }

  names(): ActivityName[] {
    return this.calls.map((call) => call.name);
  }

  /** The events that were written, in the order in which the case told them, each once. */
  events(): CustodyDraft[] {
    const written = this.of('recordEvents')
      .filter((call) => call.end === 'succeeded')
      .flatMap((call) => (call.input as Input<'recordEvents'>).events);
    return [...new Map(written.map((event) => [event.entryId, event])).values()];
  }

  async started(name: ActivityName, count = 1): Promise<void> {
    await until(() => this.of(name).length >= count, `step ${name} never began`);
  }

  private step<N extends ActivityName>(name: N, answer: (input: Input<N>) => Result<N>) {
    return async (input: Input<N>): Promise<Result<N>> => {
      const { info } = Context.current();
      const { workflowId = '' } = info.workflowExecution ?? {};
      const call: Call = { name, input, workflowId, attempt: info.attempt, startedAt: Date.now() };
      this.calls.push(call);
      const nth = this.of(name).length;
      try {
        const delay = this.script.delays?.[name];
        await pause(typeof delay === 'function' ? delay(input) : (delay ?? 0));
        const hold = this.script.holds?.[name];
        if (hold) await heldUntil(() => hold(this), `step ${name} was held for ever`);
        this.script.failures?.[name]?.(input, nth);
        const result = answer(input);
        call.end = 'succeeded';
        const change = this.script.results?.[name];
        return change ? change(result, input) : result;
      } catch (error) {
        call.end = error instanceof ApplicationFailure ? 'failed' : 'cancelled';
        throw error;
      } finally {
        call.endedAt = Date.now();
      }
    };
  }

  private build(): Activities {
    const command = (instanceId: string): StartedCommand => ({
      commandId: '00000000-0000-0000-0000-000000000001',
      instanceId,
      document: { name: 'forensics-document', version: '1', sha256: 'f'.repeat(64) },
      startedAt: '2026-11-22T07:03:00.000Z',
    });
    const none = (): undefined => undefined;
    const s3 = { bucket: 'evidence', key: 'report.html', sha256: 'c'.repeat(64), sizeBytes: 1000 };
    return {
      triageInstance: this.step('triageInstance', ({ request }) => ({
        facts: instanceFacts(request, this.script.facts),
        decision: policyDecision(this.script.decision),
      })),
      protectInstance: this.step('protectInstance', () => ({
        steps: [{ step: 'termination-protection', outcome: 'set', before: 'false' }],
      })),
      createSnapshots: this.step('createSnapshots', ({ volumeIds }) => ({
        snapshots: volumeIds.map((volumeId) => ({
          volumeId,
          snapshotId: volumeId.replace('vol-', 'snap-'),
          startedAt: '2026-11-22T07:04:00.000Z',
        })),
      })),
      awaitSnapshot: this.step('awaitSnapshot', ({ snapshotId }) => ({ snapshotId, sizeGiB: 8, encrypted: true })),
      reencryptSnapshot: this.step('reencryptSnapshot', ({ snapshotId }) => ({
        snapshotId: snapshotId.replace('snap-0', 'snap-a'),
      })),
      shareSnapshot: this.step('shareSnapshot', none),
      unshareSnapshot: this.step('unshareSnapshot', none),
      copySnapshotToForensics: this.step('copySnapshotToForensics', ({ snapshotId }) => ({
        snapshotId: snapshotId.replace(/snap-./, 'snap-f'),
      })),
      lockSnapshot: this.step('lockSnapshot', () => ({ lockedUntil: '2027-02-20T00:00:00.000Z' })),
      verifyDisk: this.step('verifyDisk', ({ volumeId, forensicSnapshotId, acquiredAt }) =>
        diskExhibit(volumeId, forensicSnapshotId, acquiredAt),
      ),
      startMemoryCapture: this.step('startMemoryCapture', ({ facts, attempts }): MemoryCapture | null => ({
        ...command(facts.target.instanceId),
        attempt: attempts.length + 1,
        tool: MEMORY_TOOLS[attempts.length]?.name ?? 'avml',
        upload: {
          bucket: 'staging',
          key: 'memory',
          uploadId: 'upload-1',
          partSizeBytes: 32 * 1024 ** 2,
          partCount: 32,
        },
        tools: MEMORY_TOOLS.slice(attempts.length, attempts.length + 1),
      })),
      awaitMemoryCapture: this.step('awaitMemoryCapture', ({ capture }) => ({
        sha256: 'e'.repeat(64),
        sizeBytes: 1024 ** 3,
        parts: 32,
        tool: capture.tools[0]!,
        module: 'none',
        taintBefore: 0,
        taintAfter: 0,
        kernelFacts: { sha256: 'b'.repeat(64), sizeBytes: 1000 },
      })),
      sealMemoryImage: this.step('sealMemoryImage', ({ exhibitId, target, capture }) => ({
        ...memoryExhibit(target.instanceId),
        id: exhibitId,
        tool: capture.tools[0]!,
      })),
      abandonMemoryCapture: this.step('abandonMemoryCapture', none),
      sealCase: this.step('sealCase', ({ caseId }) => ({
        seal: {
          format: BUNDLE_FORMAT,
          caseId,
          sealedAt: '2026-11-22T09:00:00.000Z',
          custody: { sequence: 9, hash: 'a'.repeat(64) },
          files: { count: 12, merkleRoot: 'b'.repeat(64) },
        },
        bundle: { bucket: 'evidence', prefix: `cases/${caseId}/bundle/` },
        signatureSha256: 'c'.repeat(64),
        publicKeySha256: 'd'.repeat(64),
        sealObject: { bucket: 'evidence', key: `cases/${caseId}/bundle/seal.json`, versionId: '1' },
      })),
      redeemIdentityProof: this.step('redeemIdentityProof', ({ proof }) => ({
        arn: proof.url,
        accountId: '444455556666',
        proofSha256: 'd'.repeat(64),
      })),
      readLayer: this.step('readLayer', ({ plan, layer }) => layerState(plan, layer, 'before')),
      applyLayer: this.step('applyLayer', ({ plan, layer, before }) => ({
        layer,
        outcome: layer === 'internet-edge' && plan.layers.internetEdge.length === 0 ? 'not-needed' : 'applied',
        before,
        after: layerState(plan, layer, 'after'),
        verified: true,
        residualPaths: [],
        verifiedAt: '2026-11-22T07:30:00.000Z',
      })),
      probeIsolation: this.step('probeIsolation', () => ({
        measured: true,
        flows: [{ path: 'TCP to 198.51.100.10:443', result: 'blocked', detail: 'no answer' }],
        established: { count: 0, connections: [] },
        measuredAt: '2026-11-22T07:31:00.000Z',
      })),
      undoLayer: this.step('undoLayer', ({ layer }) => ({ layer, outcome: 'restored' })),
      launchForensicInstance: this.step('launchForensicInstance', () => ({
        instanceId: 'i-0f0000000000000001',
        availabilityZone: 'us-east-1a',
      })),
      awaitForensicInstance: this.step('awaitForensicInstance', none),
      createEvidenceVolume: this.step('createEvidenceVolume', () => ({ volumeId: 'vol-0f000000000000001' })),
      attachEvidenceVolume: this.step('attachEvidenceVolume', none),
      startExamination: this.step('startExamination', ({ instance }): StartedExamination => ({
        ...command(instance.instanceId),
        staging: { bucket: 'staging', prefix: 'examination/' },
        outputs: ['linux.pslist.jsonl'],
      })),
      awaitExamination: this.step('awaitExamination', none),
      collectExamination: this.step('collectExamination', ({ exhibit }) => ({
        exhibit: exhibit.id,
        kind: exhibit.kind,
        outcome: 'succeeded',
        findings: [
          {
            id: `${exhibit.id}-planted-1`,
            severity: 'high',
            category: 'process',
            title: 'A process runs from a deleted file',
            detail: '/tmp/.x/kworkerd (deleted)',
            evidence: { exhibit: exhibit.id, tool: 'linux.pslist', record: '12' },
          },
        ],
        tools: [{ tool: 'linux.pslist', version: '2.26.0', outcome: 'succeeded', records: 80, seconds: 3 }],
      })),
      releaseForensicInstance: this.step('releaseForensicInstance', none),
      recordEvents: this.step('recordEvents', none),
      writeReport: this.step('writeReport', () => s3),
    };
  }
}

/** Sleeps with heartbeats, as the worker's interceptor gives them to real steps, so that a cancellation arrives. */
async function pause(milliseconds: number): Promise<void> {
  heartbeat();
  for (let left = milliseconds; left > 0; left -= 50) {
    await Context.current().sleep(Math.min(left, 50));
    heartbeat();
  }
}

/** The same for as long as it is not so; fails the step for good when it never is. */
async function heldUntil(isSo: () => boolean, otherwise: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MILLISECONDS;
  while (!isSo()) {
    if (Date.now() > deadline) throw ApplicationFailure.nonRetryable(otherwise);
    await pause(50);
  }
}

/** Waits until it is so; fails after a minute with the sentence. */
export async function until(isSo: () => boolean | Promise<boolean>, otherwise: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MILLISECONDS;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(otherwise);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export const ACTIVITY_NAMES = Object.keys(new Fakes().activities) as ActivityName[];
