import path from 'node:path';
import { durationsFrom, type LabDurations } from './durations';

export type { LabDurations } from './durations';

/** The accounts of the lab. AWS's own documentation uses such numbers for examples; no real account is meant. */
export const LAB_ACCOUNTS = { member: '111122223333', forensics: '444455556666' } as const;
export const LAB_REGION = 'us-east-1';

export interface LabPorts {
  /** AWS emulator, every service but Run Command. */
  aws: number;
  /** Run Command and the agents' message service. */
  ssm: number;
  temporal: number;
  temporalUi: number;
}

export interface LabConfig {
  ports: LabPorts;
  /** What is expensive to make and shared by all labs: Python environments, the Temporal CLI, kernels, AVML. */
  cacheFolder: string;
  /** What one lab holds: volumes, snapshots, logs, status. Dropped by `lab reset`. */
  stateFolder: string;
  durations: LabDurations;
  /** A Temporal server that is there already; without it the lab starts one of its own. */
  temporal?: { address: string; uiUrl: string };
}

export const PROJECT_ROOT = path.resolve(__dirname, '..');

function port(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const text = env[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 65535) {
    throw new Error(`${name}="${text}" is not a port: give a whole number from 1 to 65535`);
  }
  return value;
}

/**
 * The lab's configuration from the environment.
 *
 * LAB_AWS_PORT (5066), LAB_SSM_PORT (5070), LAB_TEMPORAL_PORT (7233), LAB_TEMPORAL_UI_PORT (8233),
 * LAB_TEMPORAL_ADDRESS and LAB_TEMPORAL_UI_URL (a Temporal server that is there already: host:port, and where its UI is),
 * LAB_CACHE (<project>/.cache), LAB_STATE (<cache>/lab), LAB_TIME (brief) and the durations of durations.ts.
 */
export function labConfig(env: NodeJS.ProcessEnv = process.env): LabConfig {
  const cacheFolder = path.resolve(env.LAB_CACHE ?? path.join(PROJECT_ROOT, '.cache'));
  const address = env.LAB_TEMPORAL_ADDRESS;
  return {
    ...(address && { temporal: { address, uiUrl: env.LAB_TEMPORAL_UI_URL ?? 'http://127.0.0.1:8233' } }),
    ports: {
      aws: port(env, 'LAB_AWS_PORT', 5066),
      ssm: port(env, 'LAB_SSM_PORT', 5070),
      temporal: port(env, 'LAB_TEMPORAL_PORT', 7233),
      temporalUi: port(env, 'LAB_TEMPORAL_UI_PORT', 8233),
    },
    cacheFolder,
    stateFolder: path.resolve(env.LAB_STATE ?? path.join(cacheFolder, 'lab')),
    durations: durationsFrom(env),
  };
}
