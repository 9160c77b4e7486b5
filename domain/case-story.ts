import type { CaseEventDraft, PhaseName } from './case-event';
import { sentence } from './case-limits';
import type { PhaseEnd } from './case-phases';
import type { CaseRequest } from './case-request';
import { gravest } from './case-severity';
import type { CheckpointName, RecordedDecision } from './checkpoint';
import type { SealedCase } from './custody/bundle';
import {
  type ContainmentPlan,
  type ContainmentResult,
  type InterfaceOutcome,
  type IsolationMeasurement,
  type LayerOutcome,
  measuredSentences,
  planHash,
} from './containment';
import type { Exhibit, ExhibitKind, MemoryAttempt, MissingEvidence } from './evidence';
import type { ExaminationResult } from './examination';
import type { Finding, Severity } from './finding';
import type { InstanceFacts } from './instance-facts';
import { attemptSentence } from './memory-tools';
import { type CheckpointPolicy, type PolicyDecision, volumesToAcquire } from './policy';
import type { CaseOutcome, PhaseRecord } from './outcome';

/**
 * How a case tells its story: the sentences of its events, of its reasons and of what it is doing now. They may hold
 * attacker-controlled words: whoever shows them escapes them.
 */

// ---- what is being done now ------------------------------------------------------------------------------------------

const named = (kind: ExhibitKind, id: string): string => (kind === 'memory' ? 'the memory image' : `disk ${id}`);

export const beingAcquired = (kind: ExhibitKind, source: string): string =>
  kind === 'memory' ? `the memory of ${source} is being acquired` : `disk ${source} is being acquired`;
export const beingExamined = ({ kind, id }: Pick<Exhibit, 'kind' | 'id'>): string =>
  `${named(kind, id)} is being examined`;

// ---- reasons -----------------------------------------------------------------------------------------------------------

export const missingSentence = ({ kind, source, reason }: MissingEvidence): string =>
  `${kind} of ${source} could not be acquired: ${reason}`;
export const examinationShortfall = ({ exhibit, outcome, reason }: ExaminationResult): string =>
  `examination of ${exhibit} ${outcome}: ${reason ?? 'not all tools ended well'}`;
export const interfacesNotIsolated = (result: ContainmentResult): InterfaceOutcome[] =>
  result.interfaces.filter((one) => one.outcome === 'failed');
export const edgeShortfalls = (result: ContainmentResult): string[] =>
  result.internetEdge
    .filter((one) => one.outcome === 'failed')
    .map((one) => `${one.address} was not taken off ${one.networkInterfaceId}: ${one.reason ?? 'no reason'}`);
export const layerShortfall = ({ layer, reason }: Pick<LayerOutcome, 'layer' | 'reason'>): string =>
  `layer ${layer} of the containment is missing or not whole: ${reason ?? 'no reason'}`;
/** Of the layers that are not told address by address or interface by interface. */
export const layerShortfalls = ({ layers }: ContainmentResult): string[] =>
  layers
    .filter(({ layer }) => layer !== 'internet-edge' && layer !== 'security-groups')
    .filter(({ outcome }) => outcome === 'failed' || outcome === 'partially-applied')
    .map(layerShortfall);
export const notIsolatedSentence = ({ networkInterfaceId, reason }: InterfaceOutcome, instanceId: string): string =>
  `${networkInterfaceId} of ${instanceId} is not isolated: ${reason ?? 'no reason'}`;

export function outcomeOfContainment({ outcome }: ContainmentResult): Exclude<PhaseRecord['outcome'], 'running'> {
  if (outcome === 'isolated') return 'succeeded';
  return outcome === 'failed' ? 'failed' : 'partial';
}

/** All findings of an examination, not only those that travel in its result. */
export const findingCount = (result: ExaminationResult): number => result.allFindings?.count ?? result.findings.length;

// ---- events ------------------------------------------------------------------------------------------------------------

export function caseOpened(
  caseId: string,
  { target, finding, openedBy, requestedAction }: CaseRequest,
): CaseEventDraft {
  return {
    kind: 'case-opened',
    actor: { name: openedBy, knownBy: 'claimed' },
    message: `case ${caseId} opened by ${openedBy} on ${target.instanceId}: ${finding.title} (${finding.type})`,
    severity: finding.severity,
    data: { findingId: finding.id, requestedAction },
    notify: true,
  };
}

/** `story` is what the phase came to; a phase that went badly is told to people at once. */
export function phaseEnded(
  name: PhaseName,
  end: Omit<PhaseEnd, 'at'>,
  story?: string,
  data?: Record<string, unknown>,
): CaseEventDraft {
  const told = story ?? end.reason;
  return {
    kind: 'phase-ended',
    phase: name,
    message: `${name} ${end.outcome}${told === undefined ? '' : `: ${told}`}`,
    ...(data && { data }),
    notify: end.outcome === 'failed',
  };
}

export function triageStory(facts: InstanceFacts, reasons: string[]): string {
  const agent = facts.agent.state === 'online' ? 'online' : `unavailable (${facts.agent.reason})`;
  const { instanceId } = facts.target;
  return (
    `${instanceId} is ${facts.state} with ${facts.volumes.length} volume(s), its agent ${agent}; ` + reasons.join('; ')
  );
}

export function exhibitAcquired(acquired: Exhibit): CaseEventDraft {
  const { id, kind, source, sha256, sizeBytes, tool, location, companions, blocks } = acquired;
  return {
    kind: 'exhibit-acquired',
    phase: 'acquisition',
    message: `${kind} of ${source} acquired, SHA-256 ${sha256}`,
    exhibit: { id, kind, source },
    tool,
    sha256,
    // With its place: what is checked and kept later is what the log says, and nothing else is asked.
    data: { exhibit: id, sha256, sizeBytes, location, ...(companions && { companions }), ...(blocks && { blocks }) },
    notify: false,
  };
}

/** Told when the acquisition has ended: another attempt may have mended it by then. */
export function memoryAttemptFailed(attempt: MemoryAttempt): CaseEventDraft {
  const { number, tool, outcome, rejected } = attempt;
  return {
    kind: 'acquisition-attempt-failed',
    phase: 'acquisition',
    message: sentence(`memory acquisition, ${attemptSentence(attempt)}`),
    data: { attempt: number, tool, outcome, ...(rejected && { rejected }) },
    notify: false,
  };
}

/** Who cancels a case knows that evidence will be missing, and is not told. */
export function evidenceMissing(item: MissingEvidence, isCancelled: boolean): CaseEventDraft {
  return {
    kind: 'evidence-missing',
    phase: 'acquisition',
    message: missingSentence(item),
    exhibit: { id: item.id, kind: item.kind, source: item.source },
    ...(item.mismatch && { severity: 'high' }),
    data: { id: item.id, ...(item.mismatch && { mismatch: true }) },
    notify: !isCancelled,
  };
}

export function exhibitExamined(result: ExaminationResult): CaseEventDraft {
  const found = result.findings.length > 0;
  const severity = gravest(...result.findings.map((finding) => finding.severity));
  return {
    kind: 'examined',
    phase: 'examination',
    message:
      `examination of ${result.exhibit} ${result.outcome}: ${findingCount(result)} finding(s)` +
      (found ? `, the gravest ${severity}` : ''),
    ...(found && { severity }),
    data: { exhibit: result.exhibit },
    notify: severity === 'high' || severity === 'critical',
  };
}

/** A checkpoint as its events name it. */
export interface Asked {
  checkpoint: CheckpointName;
  instanceId: string;
  planHash: string;
}

const asking = (
  kind: CaseEventDraft['kind'],
  { checkpoint, planHash }: Asked,
  message: string,
  more: Record<string, unknown> = {},
): CaseEventDraft => ({ kind, message, data: { checkpoint, planHash, ...more }, notify: true });

export const consentRequested = (asked: Asked, workflowId: string, plan: unknown): CaseEventDraft =>
  asking(
    'consent-requested',
    asked,
    `${asked.checkpoint} of ${asked.instanceId} waits for a person: send signal approve or reject to workflow ` +
      `${workflowId} with {"checkpoint":"${asked.checkpoint}","approver":"your name","reason":"why"}`,
    { plan },
  );

const waiting = ({ checkpoint, instanceId }: Asked, seconds: number): string =>
  `${checkpoint} of ${instanceId} has waited ${Math.floor(seconds)} seconds for a decision`;
export const consentReminder = (asked: Asked, secondsWaited: number): CaseEventDraft =>
  asking('consent-reminder', asked, `reminder: ${waiting(asked, secondsWaited)}`);
export const consentEscalated = (asked: Asked, secondsWaited: number): CaseEventDraft =>
  asking('consent-escalated', asked, `OVERDUE: ${waiting(asked, secondsWaited)}`);

export const consentExpired = (asked: Asked, secondsWaited: number): CaseEventDraft => ({
  ...asking(
    'consent-expired',
    asked,
    `EXPIRED: ${waiting(asked, secondsWaited)}; approvals until now count no more, nothing was done, it is asked again`,
  ),
  severity: 'high',
});

/** @param missing how many more people must approve */
export function decisionTaken(decision: RecordedDecision, missing: number): CaseEventDraft {
  const { checkpoint, verdict, approver, planHash, door, knownBy, principal, proofSha256, breakGlass } = decision;
  const reason = decision.reason === undefined ? '' : `: ${decision.reason}`;
  const by = knownBy === 'proven' ? `${approver}, proven by STS` : approver;
  const done = breakGlass ? 'approved IN AN EMERGENCY, alone,' : verdict === 'approve' ? 'approved' : 'rejected';
  const more = missing > 0 ? `; ${missing} more must approve` : '';
  return {
    kind: 'decision-taken',
    actor: { name: principal ?? approver, knownBy },
    authority: { checkpoint, planHash },
    message: `${checkpoint} ${done} by ${by} (${door})${reason}${more}`,
    ...(breakGlass && { severity: 'high' }),
    data: {
      checkpoint,
      verdict,
      approver,
      planHash,
      ...(proofSha256 !== undefined && { proofSha256 }),
      ...(breakGlass && { breakGlass }),
    },
    notify: true,
  };
}

export function caseSealed({ seal, signatureSha256, publicKeySha256, bundle }: SealedCase): CaseEventDraft {
  const { files, custody } = seal;
  return {
    kind: 'case-sealed',
    phase: 'report',
    message: `sealed and signed: ${files.count} files with Merkle root ${files.merkleRoot}, custody log up to entry ${custody.sequence}`,
    sha256: files.merkleRoot,
    data: {
      merkleRoot: files.merkleRoot,
      sequence: custody.sequence,
      hash: custody.hash,
      signatureSha256,
      publicKeySha256,
      bundle,
    },
    notify: true,
  };
}

export const sealingFailed = (reason: string): CaseEventDraft => ({
  kind: 'sealing-failed',
  phase: 'report',
  message: reason,
  severity: 'high',
  notify: true,
});

export const reviewDue = (checkpoint: CheckpointName): CaseEventDraft => ({
  kind: 'review-due',
  message: `somebody went ahead alone with ${checkpoint}: another person has to review it before the case closes`,
  severity: 'high',
  data: { checkpoint },
  notify: true,
});

export const reviewed = (
  checkpoint: CheckpointName,
  { reviewer, verdict, note }: { reviewer: string; verdict: string; note: string },
): CaseEventDraft => ({
  kind: 'reviewed',
  actor: { name: reviewer, knownBy: 'claimed' },
  message: `that ${checkpoint} was approved by one person alone is ${verdict}, says ${reviewer}: ${note}`,
  data: { checkpoint, verdict, reviewer },
  notify: true,
});

/** A signal that could not be taken: nobody answers a signal, so the event is the answer. */
export function messageRefused(signal: string, because: string, isLastTold: boolean): CaseEventDraft {
  const after = isLastTold ? '; further signals that change nothing leave no event' : '';
  return {
    kind: signal === 'approve' || signal === 'reject' ? 'decision-refused' : 'message-refused',
    message: `${sentence(`a signal ${signal} changed nothing: ${because}`)}${after}`,
    notify: false,
  };
}

/** What a release goes by; it stands in the custody log, where nobody can change it unseen. */
export interface ContainedData {
  outcome: ContainmentResult['outcome'];
  plan: ContainmentPlan;
  layers: LayerOutcome[];
  /** Who has to agree to the release. */
  releaseConsent: CheckpointPolicy;
  roles: Record<string, string[]>;
}

export function instanceContained(
  result: ContainmentResult,
  instanceId: string,
  by: Pick<ContainedData, 'plan' | 'releaseConsent' | 'roles'>,
): CaseEventDraft {
  const open = [
    ...interfacesNotIsolated(result).map((one) => one.networkInterfaceId),
    ...edgeShortfalls(result),
    ...layerShortfalls(result),
  ];
  const data: ContainedData = { outcome: result.outcome, layers: result.layers, ...by };
  return {
    kind: 'contained',
    phase: 'containment',
    message:
      result.outcome === 'isolated'
        ? `${instanceId} is isolated, verified at ${result.verifiedAt}`
        : `${instanceId} is NOT fully isolated: ${open.join(', ')}`,
    data: { ...data },
    notify: true,
  };
}

export function isolationMeasured(measured: IsolationMeasurement, instanceId: string): CaseEventDraft {
  const open = measured.flows.filter(({ result }) => result === 'open');
  return {
    kind: 'isolation-measured',
    phase: 'containment',
    message: `${instanceId}: ${measuredSentences(measured).join('; ') || 'nothing was tried from the instance'}`,
    data: { ...measured },
    notify: open.length > 0,
  };
}

/** What a dry run found that would be done; `show` has it too. */
export function dryRunTold(
  facts: InstanceFacts,
  decision: PolicyDecision,
  plan: ContainmentPlan | null,
): CaseEventDraft {
  const volumes = volumesToAcquire(decision, facts).map(({ volumeId }) => volumeId);
  const acquire = [...(decision.acquireMemory ? ['memory'] : []), ...volumes];
  const { instanceId } = facts.target;
  const isolate = plan
    ? `${instanceId} would be isolated ${decision.isolation}, consent ${decision.isolationConsent.consent}: ` +
      (plan.steps.map(({ layer }) => layer).join(', ') || 'no layer')
    : `${instanceId} would not be isolated`;
  return {
    kind: 'dry-run',
    phase: 'triage',
    message: `dry run, nothing is changed: ${acquire.join(', ') || 'nothing'} would be acquired; ${isolate}`,
    data: {
      acquire: { memory: decision.acquireMemory, volumes, consent: decision.acquisitionConsent.consent },
      isolation: decision.isolation,
      reasons: decision.reasons,
      ...(plan && { plan, planHash: planHash(plan) }),
    },
    notify: false,
  };
}

export function findingJoined({ id, title, type, severity }: Finding): CaseEventDraft {
  return {
    kind: 'finding-joined',
    message: `a further finding joined the case: ${title} (${type})`,
    severity,
    data: { findingId: id },
    notify: true,
  };
}

export function caseCancelled(caseId: string): CaseEventDraft {
  return { kind: 'cancelled', message: `case ${caseId} was cancelled`, notify: true };
}

export function caseClosed(outcome: CaseOutcome, severity: Severity): CaseEventDraft {
  const { caseId, exhibits, missing, examinations, report } = outcome;
  const findings = examinations.reduce((sum, result) => sum + findingCount(result), 0);
  return {
    kind: 'case-closed',
    message:
      `case ${caseId} closed: ${outcome.outcome}, ${exhibits.length} exhibit(s), ${missing.length} missing, ` +
      `${findings} finding(s)`,
    severity,
    data: { outcome: outcome.outcome, ...(report && { report }) },
    notify: true,
  };
}
