import type { RequestedAction } from '../case-request';
import type { Finding } from '../finding';
import type { InstanceFacts, VolumeFacts } from '../instance-facts';
import type {
  CaseSettings,
  CheckpointPolicy,
  ContainmentSettings,
  IsolationTime,
  Policy,
  PolicyRule,
  StageDeadlines,
  VolumeSelection,
} from './policy';
import { type AutomationCounts, reasonsToAsk } from './reasons-to-ask';
import { isAtLeast, judgeRules, type PolicySubject } from './rules';
import { settingsWith } from './settings';
import { tagConditionFails, tagConditionText, tagOf } from './tag-condition';

/** What the policy says about one case, with the sentences that explain it. */
export interface PolicyDecision {
  /** Name of the rule that fired; absent when none matched and the policy's own settings hold. */
  rule?: string;
  acquireMemory: boolean;
  acquireDisks: boolean;
  /** Ids of attached volumes that are not acquired although others are; absent when every one is. */
  leftOutVolumes?: string[];
  isolation: IsolationTime;
  containment: ContainmentSettings;
  examinationProfile: string;
  acquisitionConsent: CheckpointPolicy;
  isolationConsent: CheckpointPolicy;
  releaseConsent: CheckpointPolicy;
  /** The roles that these checkpoints name → patterns of the principals that have them. */
  roles: Record<string, string[]>;
  deadlines: StageDeadlines;
  retentionDays: number;
  /** Attacker-controlled words (tags, finding types) may stand in them: whoever shows them escapes them. */
  reasons: string[];
}

/** What is known beside the instance and the finding. */
export interface DecisionContext extends AutomationCounts {
  /** ISO 8601; the time that rules on the time of day go by. */
  at: string;
}

/**
 * Decides by the rules, the instance's tags, the finding and what the caller asked for. A dead agent or a stopped instance
 * costs the memory image only; that is found at acquisition and recorded there, not decided here.
 *
 * Without counts the caps of automation count as exceeded: a person is asked.
 */
export function decide(
  policy: Policy,
  facts: InstanceFacts,
  finding: Finding,
  action: RequestedAction,
  context: DecisionContext = { at: facts.readAt },
): PolicyDecision {
  const subject: PolicySubject = { facts, finding, at: context.at };
  const fired = judgeRules(policy, subject).find(({ verdict }) => verdict === 'fires');
  const rule = policy.rules.find(({ name }) => name === fired?.rule);
  const settings = rule ? settingsWith(policy, rule.then) : policy;
  const reasons: string[] = [];
  if (rule && fired) reasons.push(`rule ${rule.name}: ${fired.because}`);
  else if (policy.rules.length > 0) reasons.push('no rule matches: the policy’s own settings hold');

  const acquisition = decideAcquisition(policy, settings, subject, action);
  reasons.push(acquisition.reason);
  const { volumes } = acquisition;
  const leftOutVolumes = facts.volumes.filter((volume) => !isSelected(volumes, volume)).map(({ volumeId }) => volumeId);
  const acquireDisks = volumes !== 'none';
  if (acquireDisks && leftOutVolumes.length > 0)
    reasons.push(`acquired is ${selectionText(volumes)}: ${leftOutVolumes.join(', ')} left out`);

  const isolation = decideIsolation(settings, rule, acquisition, action);
  reasons.push(isolation.reason);
  const asking = isolation.when === 'never' ? [] : reasonsToAsk(policy, subject, context);
  const { checkpoints } = settings;
  if (isolation.when !== 'never' && checkpoints.isolation.consent === 'required')
    reasons.push(
      `${rule?.then.checkpoints?.isolation?.consent ? 'the rule' : 'the policy'} asks for consent to isolation`,
    );
  reasons.push(...asking);

  return {
    ...(rule && { rule: rule.name }),
    acquireMemory: acquisition.memory,
    acquireDisks,
    ...(acquireDisks && leftOutVolumes.length > 0 && { leftOutVolumes }),
    isolation: isolation.when,
    containment: settings.containment,
    examinationProfile: settings.examinationProfile,
    acquisitionConsent: checkpoints.acquisition,
    isolationConsent: asking.length > 0 ? { ...checkpoints.isolation, consent: 'required' } : checkpoints.isolation,
    releaseConsent: checkpoints.release,
    roles: namedRoles(policy, checkpoints),
    deadlines: settings.deadlines,
    retentionDays: settings.retentionDays,
    reasons,
  };
}

/** The volumes that are acquired, in the order of the facts. */
export function volumesToAcquire(
  { acquireDisks, leftOutVolumes = [] }: Pick<PolicyDecision, 'acquireDisks' | 'leftOutVolumes'>,
  facts: InstanceFacts,
): VolumeFacts[] {
  return acquireDisks ? facts.volumes.filter(({ volumeId }) => !leftOutVolumes.includes(volumeId)) : [];
}

interface AcquisitionDecision {
  memory: boolean;
  volumes: VolumeSelection;
  reason: string;
  /** Kept from everything by the tag or the severity, and not only told by a rule to acquire nothing. */
  leftAlone: boolean;
}

function decideAcquisition(
  policy: Policy,
  { acquire }: CaseSettings,
  { facts, finding }: PolicySubject,
  action: RequestedAction,
): AcquisitionDecision {
  const nothing = { memory: false, volumes: 'none' } as const;
  const wantsNothing = !acquire.memory && acquire.volumes === 'none';
  if (action !== 'by-policy') {
    const reason = `${action} was asked for by a person`;
    if (!wantsNothing) return { ...acquire, reason, leftAlone: false };
    return { memory: true, volumes: 'all', reason: `${reason}: memory and every disk are acquired`, leftAlone: false };
  }
  if (tagOf(facts.tags, policy.acquisitionTag) === 'false') {
    const reason = `tag ${policy.acquisitionTag}=false on the instance: nothing is acquired`;
    return { ...nothing, reason, leftAlone: true };
  }
  if (!isAtLeast(finding.severity, policy.minimumSeverity)) {
    const reason = `severity ${finding.severity} is below the policy's minimum ${policy.minimumSeverity}: nothing is acquired`;
    return { ...nothing, reason, leftAlone: true };
  }
  if (wantsNothing)
    return { ...nothing, reason: 'the policy asks for no evidence: nothing is acquired', leftAlone: false };
  const parts = [
    ...(acquire.memory ? ['memory'] : []),
    ...(acquire.volumes === 'none' ? [] : [selectionText(acquire.volumes)]),
  ];
  const verb = parts.length > 1 ? 'are' : 'is';
  const reason = `severity ${finding.severity} and no tag against it: ${parts.join(' and ')} ${verb} acquired`;
  return { ...acquire, reason, leftAlone: false };
}

function decideIsolation(
  settings: CaseSettings,
  rule: PolicyRule | undefined,
  acquisition: AcquisitionDecision,
  action: RequestedAction,
): { when: IsolationTime; reason: string } {
  if (action === 'acquire')
    return { when: 'never', reason: 'the request asks for acquisition only: the instance is not isolated' };
  const acquiresNothing = !acquisition.memory && acquisition.volumes === 'none';
  // A rule may ask for containment alone, but only in so many words.
  if (acquisition.leftAlone || (acquiresNothing && rule?.then.isolation === undefined))
    return { when: 'never', reason: 'nothing is acquired, so the instance is not isolated' };
  const when = action === 'acquire-and-isolate' && settings.isolation === 'never' ? 'after-memory' : settings.isolation;
  if (when === 'never') return { when, reason: 'isolation: never' };
  const { mode, layers } = settings.containment;
  return { when, reason: `isolation: ${when}, ${mode}, by ${layers.join(', ')}` };
}

function isSelected(selection: VolumeSelection, volume: VolumeFacts): boolean {
  if (selection === 'all') return true;
  if (selection === 'root') return volume.root;
  return selection !== 'none' && tagConditionFails(selection.tag, volume.tags ?? {}) === undefined;
}

function selectionText(selection: VolumeSelection): string {
  if (typeof selection !== 'string') return `every disk with ${tagConditionText(selection.tag)}`;
  return selection === 'root' ? 'the root disk' : 'every disk';
}

function namedRoles(policy: Policy, checkpoints: CaseSettings['checkpoints']): Record<string, string[]> {
  const named = new Set(
    Object.values(checkpoints).flatMap(({ roles, breakGlassRoles = [] }) => [...roles, ...breakGlassRoles]),
  );
  return Object.fromEntries(Object.entries(policy.roles).filter(([name]) => named.has(name)));
}
