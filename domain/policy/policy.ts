import type { ContainmentMode, LayerName } from '../containment/layer';
import type { Finding, Severity } from '../finding';
import type { TagCondition } from './tag-condition';
import type { TimeWindow } from './time-window';

/** When an instance is isolated, measured against its acquisition. */
export const ISOLATION_TIMES = ['before-acquisition', 'after-memory', 'after-all', 'never'] as const;
export type IsolationTime = (typeof ISOLATION_TIMES)[number];

/** How an instance is contained. The plan knows in which order; the policy only says by what. */
export interface ContainmentSettings {
  mode: ContainmentMode;
  layers: LayerName[];
}

export interface CheckpointPolicy {
  /** Whether a person must say yes. */
  consent: 'required' | 'not-required';
  /** How many people must say yes; no one counts twice. */
  quorum: number;
  /** Names of roles (`roles` of the policy); who has none of them may not decide. Empty: anybody may. */
  roles: string[];
  /** Who opened the case may not approve. */
  separationOfDuties: boolean;
  /** Only decisions whose author STS has confirmed count. */
  provenIdentityRequired: boolean;
  /** A reminder goes out each time this long passes without a decision. */
  reminderSeconds: number;
  /** After this long without a decision the checkpoint is escalated: notified as overdue. It goes on waiting. */
  escalateAfterSeconds: number;
  /** After this long decisions given until then are void and the checkpoint is escalated and held. Absent: never. */
  expiresAfterSeconds?: number;
  /** Roles that may go ahead alone in an emergency; empty: anybody who may decide. Absent: nobody may. */
  breakGlassRoles?: string[];
}

export const POLICY_CHECKPOINTS = ['acquisition', 'isolation', 'release'] as const;
export type PolicyCheckpoint = (typeof POLICY_CHECKPOINTS)[number];

/** Time that a stage may take before the exhibit (never the case) is given up, in seconds. */
export interface StageDeadlines {
  snapshot: number;
  copy: number;
  memory: number;
  examination: number;
}

/** `root`: the volume that the instance boots from; `tag`: the volumes whose own tags meet the condition. */
export type VolumeSelection = 'all' | 'root' | 'none' | { tag: TagCondition };

export interface AcquisitionSettings {
  memory: boolean;
  volumes: VolumeSelection;
}

/** What is done in a case. The policy gives all of it; a rule gives what differs in the cases that it fires for. */
export interface CaseSettings {
  acquire: AcquisitionSettings;
  isolation: IsolationTime;
  containment: ContainmentSettings;
  /** Name of a set of examinations. */
  examinationProfile: string;
  checkpoints: Record<PolicyCheckpoint, CheckpointPolicy>;
  deadlines: StageDeadlines;
  /** Days that evidence is held write-once (S3 Object Lock, EBS LockSnapshot). */
  retentionDays: number;
}

/** Some of the settings; what is left out stays as it was. */
export interface PartialSettings {
  acquire?: { memory?: boolean; volumes?: VolumeSelection };
  isolation?: IsolationTime;
  containment?: { mode?: ContainmentMode; layers?: LayerName[] };
  examinationProfile?: string;
  checkpoints?: Partial<Record<PolicyCheckpoint, Partial<CheckpointPolicy>>>;
  deadlines?: Partial<StageDeadlines>;
  retentionDays?: number;
}

export const CRITICALITIES = ['low', 'medium', 'high', 'critical'] as const;
export type Criticality = (typeof CRITICALITIES)[number];

/** Business criticality: a tag that the organisation already has, and what its values mean. */
export interface CriticalityMapping {
  tag: string;
  values: Record<string, Criticality>;
  /** Of an instance without the tag, or with a value that is not listed. Absent: it has none. */
  otherwise?: Criticality;
}

/** All conditions that are given must hold; a list holds when one of its entries does. */
export interface RuleMatch {
  /** Patterns with `*` and `?`, e.g. `Backdoor:EC2/*`. */
  findingType?: string[];
  /** At least. */
  severity?: Severity;
  /** 12 digits. */
  account?: string[];
  /** Patterns, e.g. `eu-*`. */
  region?: string[];
  /** Every one must hold; of the instance. */
  tags?: TagCondition[];
  /** At least. */
  criticality?: Criticality;
  time?: TimeWindow | 'business-hours' | 'outside-business-hours';
  source?: Finding['source'][];
}

export interface PolicyRule {
  /** Stands in the case's record when the rule fires. */
  name: string;
  match: RuleMatch;
  then: PartialSettings;
}

/**
 * Who may contain without a person, in the words of AWS Security Incident Response: `approval_required` nobody, case by
 * case; `contain_confirmed` a resource that is confirmed to be compromised; `contain_suspected` one that very likely is.
 * Source: AWS Security Incident Response User Guide, "Contain". There AWS's engineers judge; here the finding's severity does.
 */
export const CONTAINMENT_PREFERENCES = ['approval_required', 'contain_confirmed', 'contain_suspected'] as const;
export type ContainmentPreference = (typeof CONTAINMENT_PREFERENCES)[number];

export interface StandingPreferences {
  organisation?: ContainmentPreference;
  /** By account id; stands above the organisation's. */
  accounts: Record<string, ContainmentPreference>;
  /** By a tag of the instance; stands above its account's. The strictest of several counts. */
  tags: { tag: TagCondition; preference: ContainmentPreference }[];
  /** A finding this grave counts as a confirmed compromise. */
  confirmedSeverity: Severity;
  /** A finding this grave counts as a suspected one. */
  suspectedSeverity: Severity;
}

/** Never isolated without a person, whatever a rule or a preference says. */
export interface ProtectedResources {
  /** Of instances, or of the VPCs, subnets or images that they belong to. */
  ids: string[];
  /** An instance that meets one of these is protected. */
  tags: TagCondition[];
}

/**
 * Beyond these a person is asked before an isolation, also where the rule asks nobody. Counted are the cases that would be
 * isolated without a person, those included that the cap then has a person asked for, and the case itself.
 */
export interface AutomationCaps {
  /** Within an hour, of all accounts of the Region. */
  casesPerHour: number;
  /** Of one Auto Scaling group, within 24 hours. */
  instancesOfAutoScalingGroup: number;
}

/** What the operator configures; the same for every case of a deployment. The settings hold where no rule says otherwise. */
export interface Policy extends CaseSettings {
  version: 1;
  /** An instance carries this tag with the value `false` to be left out of acquisition (and so of isolation). */
  acquisitionTag: string;
  /** An instance with this tag (any value but `false`) is never isolated without a person's consent. */
  protectedTag: string;
  /** Findings below this severity are recorded and acquire nothing unless a person asked. */
  minimumSeverity: Severity;
  protectedResources: ProtectedResources;
  preferences: StandingPreferences;
  caps: AutomationCaps;
  /** Name of a role → patterns (`*`, `?`) of the principals that have it, e.g. of an assumed role's ARN. */
  roles: Record<string, string[]>;
  criticality?: CriticalityMapping;
  businessHours?: TimeWindow;
  /** The first that matches fires. */
  rules: PolicyRule[];
}
