import { DEFAULT_POLICY } from './default-policy';
import type {
  AutomationCaps,
  CaseSettings,
  PartialSettings,
  Policy,
  PolicyCheckpoint,
  ProtectedResources,
  StageDeadlines,
  StandingPreferences,
} from './policy';

/** A policy as it is written: what is left out is as in `DEFAULT_POLICY`. */
export type WrittenPolicy = PartialSettings &
  Pick<Policy, 'version'> &
  Partial<
    Pick<
      Policy,
      'acquisitionTag' | 'protectedTag' | 'minimumSeverity' | 'roles' | 'criticality' | 'businessHours' | 'rules'
    >
  > & {
    protectedResources?: Partial<ProtectedResources>;
    preferences?: Partial<StandingPreferences>;
    caps?: Partial<AutomationCaps>;
  };

export function completed(written: WrittenPolicy): Policy {
  return {
    ...DEFAULT_POLICY,
    ...written,
    ...settingsWith(DEFAULT_POLICY, written),
    protectedResources: { ...DEFAULT_POLICY.protectedResources, ...written.protectedResources },
    preferences: { ...DEFAULT_POLICY.preferences, ...written.preferences },
    caps: { ...DEFAULT_POLICY.caps, ...written.caps },
  };
}

/** The settings with some of them replaced, field by field; lists are replaced whole. */
export function settingsWith(settings: CaseSettings, changes: PartialSettings): CaseSettings {
  const checkpoint = (name: PolicyCheckpoint): CaseSettings['checkpoints'][PolicyCheckpoint] => ({
    ...settings.checkpoints[name],
    ...changes.checkpoints?.[name],
  });
  return {
    acquire: { ...settings.acquire, ...changes.acquire },
    isolation: changes.isolation ?? settings.isolation,
    containment: { ...settings.containment, ...changes.containment },
    examinationProfile: changes.examinationProfile ?? settings.examinationProfile,
    checkpoints: {
      acquisition: checkpoint('acquisition'),
      isolation: checkpoint('isolation'),
      release: checkpoint('release'),
    },
    deadlines: { ...settings.deadlines, ...changes.deadlines },
    retentionDays: changes.retentionDays ?? settings.retentionDays,
  };
}

/** The longest time, in seconds, that any case of this policy may take for a stage. */
export const longestDeadline = ({ deadlines, rules }: Policy, stage: keyof StageDeadlines): number =>
  Math.max(deadlines[stage], ...rules.map(({ then }) => then.deadlines?.[stage] ?? 0));
