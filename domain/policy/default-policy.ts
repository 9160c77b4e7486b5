import { DEFAULT_LAYERS } from '../containment/layer';
import type { CheckpointPolicy, Policy } from './policy';

const ASKING: Omit<CheckpointPolicy, 'consent'> = {
  quorum: 1,
  roles: [],
  separationOfDuties: true,
  provenIdentityRequired: false,
  reminderSeconds: 1800,
  escalateAfterSeconds: 7200,
};

/** Safe by default: acquire at once, ask before isolating, isolate after the memory image is safe. */
export const DEFAULT_POLICY: Policy = {
  version: 1,
  acquisitionTag: 'forensics:acquire',
  protectedTag: 'forensics:protected',
  minimumSeverity: 'low',
  acquire: { memory: true, volumes: 'all' },
  isolation: 'after-memory',
  containment: { mode: 'keep-ssm', layers: [...DEFAULT_LAYERS] },
  examinationProfile: 'standard',
  checkpoints: {
    acquisition: { ...ASKING, consent: 'not-required' },
    isolation: { ...ASKING, consent: 'required' },
    release: { ...ASKING, consent: 'required' },
  },
  deadlines: { snapshot: 24 * 3600, copy: 48 * 3600, memory: 6 * 3600, examination: 24 * 3600 },
  retentionDays: 90,
  protectedResources: { ids: [], tags: [] },
  preferences: { accounts: {}, tags: [], confirmedSeverity: 'critical', suspectedSeverity: 'high' },
  caps: { casesPerHour: 10, instancesOfAutoScalingGroup: 1 },
  roles: {},
  rules: [],
};
