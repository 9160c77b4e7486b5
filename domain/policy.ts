import type { RequestedAction } from './case-request';
import type { Finding, Severity } from './finding';
import { SEVERITIES } from './finding';
import type { InstanceFacts } from './instance-facts';

/** When an instance is isolated, measured against its acquisition. */
export type IsolationTime = 'before-acquisition' | 'after-memory' | 'after-all' | 'never';

export interface CheckpointPolicy {
  /** Whether a person must say yes. */
  consent: 'required' | 'not-required';
  /** A reminder goes out each time this long passes without a decision. */
  reminderSeconds: number;
  /** After this long without a decision the checkpoint is escalated: notified as overdue. It goes on waiting. */
  escalateAfterSeconds: number;
}

/** Time that a stage may take before the exhibit (never the case) is given up, in seconds. */
export interface StageDeadlines {
  snapshot: number;
  copy: number;
  memory: number;
  examination: number;
}

/** What the operator configures; the same for every case of a deployment. */
export interface Policy {
  /** An instance carries this tag with the value `false` to be left out of acquisition (and so of isolation). */
  acquisitionTag: string;
  /** An instance with this tag (any value but `false`) is never isolated without a person's consent. */
  protectedTag: string;
  /** Findings below this severity are recorded and acquire nothing unless a person asked. */
  minimumSeverity: Severity;
  /** What `by-policy` means for isolation. */
  isolation: IsolationTime;
  checkpoints: { acquisition: CheckpointPolicy; isolation: CheckpointPolicy };
  deadlines: StageDeadlines;
  /** Days that evidence is held write-once (S3 Object Lock, EBS LockSnapshot). */
  retentionDays: number;
}

/** Safe by default: acquire at once, ask before isolating, isolate after the memory image is safe. */
export const DEFAULT_POLICY: Policy = {
  acquisitionTag: 'forensics:acquire',
  protectedTag: 'forensics:protected',
  minimumSeverity: 'low',
  isolation: 'after-memory',
  checkpoints: {
    acquisition: { consent: 'not-required', reminderSeconds: 1800, escalateAfterSeconds: 7200 },
    isolation: { consent: 'required', reminderSeconds: 1800, escalateAfterSeconds: 7200 },
  },
  deadlines: { snapshot: 24 * 3600, copy: 48 * 3600, memory: 6 * 3600, examination: 24 * 3600 },
  retentionDays: 90,
};

/** What the policy says about one case, with the sentence that explains it. */
export interface PolicyDecision {
  acquireMemory: boolean;
  acquireDisks: boolean;
  isolation: IsolationTime;
  acquisitionConsent: CheckpointPolicy;
  isolationConsent: CheckpointPolicy;
  deadlines: StageDeadlines;
  retentionDays: number;
  reasons: string[];
}

/**
 * Decides by the instance's tags, the finding and what the caller asked for. A dead agent or a stopped instance costs
 * the memory image only; that is found at acquisition and recorded there, not decided here.
 */
export function decide(
  policy: Policy,
  facts: InstanceFacts,
  finding: Finding,
  action: RequestedAction,
): PolicyDecision {
  const reasons: string[] = [];
  const asked = action !== 'by-policy';
  let acquire = true;
  if (facts.tags[policy.acquisitionTag] === 'false' && !asked) {
    acquire = false;
    reasons.push(`tag ${policy.acquisitionTag}=false on the instance: nothing is acquired`);
  } else if (SEVERITIES.indexOf(finding.severity) < SEVERITIES.indexOf(policy.minimumSeverity) && !asked) {
    acquire = false;
    reasons.push(
      `severity ${finding.severity} is below the policy's minimum ${policy.minimumSeverity}: nothing is acquired`,
    );
  } else {
    reasons.push(
      asked
        ? `${action} was asked for by a person`
        : `severity ${finding.severity} and no tag against it: memory and every disk are acquired`,
    );
  }

  let isolation: IsolationTime = 'never';
  if (action === 'acquire') reasons.push('the request asks for acquisition only: the instance is not isolated');
  else if (!acquire) reasons.push('nothing is acquired, so the instance is not isolated');
  else {
    isolation = action === 'acquire-and-isolate' && policy.isolation === 'never' ? 'after-memory' : policy.isolation;
    reasons.push(`isolation: ${isolation}`);
  }

  const isProtected = (facts.tags[policy.protectedTag] ?? 'false') !== 'false';
  const isolationConsent: CheckpointPolicy = isProtected
    ? { ...policy.checkpoints.isolation, consent: 'required' }
    : policy.checkpoints.isolation;
  if (isProtected)
    reasons.push(`tag ${policy.protectedTag}: isolation needs a person's consent whatever the policy says`);

  return {
    acquireMemory: acquire,
    acquireDisks: acquire,
    isolation,
    acquisitionConsent: policy.checkpoints.acquisition,
    isolationConsent,
    deadlines: policy.deadlines,
    retentionDays: policy.retentionDays,
    reasons,
  };
}
