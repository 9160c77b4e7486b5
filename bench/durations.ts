import type { LabDurations } from '../lab/config';

export type Mode = 'zero' | 'realistic';

/** Seconds that each simulated job takes. */
export interface Durations extends LabDurations {
  memorySeconds: number;
  examinationSeconds: number;
}

/** Realistic ones are a small instance's minutes, scaled down so that a whole run takes minutes. */
export const DURATIONS: Record<Mode, Durations> = {
  zero: { snapshotSeconds: 0, copySeconds: 0, memorySeconds: 0, examinationSeconds: 0 },
  realistic: { snapshotSeconds: 12, copySeconds: 18, memorySeconds: 12, examinationSeconds: 18 },
};
