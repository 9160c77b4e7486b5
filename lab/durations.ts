/**
 * How long the lab's AWS takes for what AWS takes long for.
 *
 * AWS promises no durations: it names quotas and upper bounds only. The realistic values are therefore what operators
 * see for small gp3 volumes and Nitro instances, with the source or its absence told in `basis`; a case planned
 * on them is planned on experience, not on a guarantee.
 */

/** In seconds, 0 means at once. A field that is absent means 0. */
export interface LabDurations {
  /** From CreateSnapshot to `completed`, whatever the size. */
  snapshotSeconds: number;
  /** From CopySnapshot to `completed`, whatever the size. */
  copySeconds: number;
  /** On top, per GiB of written blocks; of a volume with an earlier snapshot a tenth of it (lab's assumption). */
  snapshotSecondsPerGiB?: number;
  copySecondsPerGiB?: number;
  /** Instance `pending` → `running`. */
  instanceStartSeconds?: number;
  /** `stopping` → `stopped`. */
  instanceStopSeconds?: number;
  /** `shutting-down` → `terminated`; volumes go at its end. */
  instanceTerminateSeconds?: number;
  /** Status checks `initializing` → `ok`, counted from `running`. */
  statusCheckSeconds?: number;
  /** Volume `creating` → `available`. */
  volumeCreateSeconds?: number;
  /** Attachment `attaching` → `attached`. */
  attachSeconds?: number;
  /** Attachment `detaching` → `available`. */
  detachSeconds?: number;
}

/**
 * `instant`: nothing takes time. `brief`, the default: snapshots and copies do, 2 s each, so that waiting for them is
 * seen. `scaled`: everything does, a {@link SCALE}th of `realistic`.
 */
export type LabTime = 'instant' | 'brief' | 'scaled' | 'realistic';

/** What `scaled` divides realistic durations by: a minute of AWS is a second of the lab. */
export const SCALE = 60;

interface DurationKind {
  /** Overrides the duration, whatever LAB_TIME says. */
  variable: string;
  realistic: number;
  basis: string;
}

/** Every duration: its variable, its realistic value in seconds, and where that comes from. */
export const DURATION_KINDS: Record<keyof Required<LabDurations>, DurationKind> = {
  snapshotSeconds: {
    variable: 'LAB_SNAPSHOT_SECONDS',
    realistic: 120,
    basis: 'no figure from AWS; even an empty volume takes about two minutes until completed',
  },
  copySeconds: {
    variable: 'LAB_COPY_SECONDS',
    realistic: 120,
    basis: 'no figure from AWS; time-based copies start at 15 minutes, ordinary small ones are done in minutes',
  },
  snapshotSecondsPerGiB: {
    variable: 'LAB_SNAPSHOT_SECONDS_PER_GIB',
    realistic: 15,
    basis: 'no figure from AWS; first snapshots are seen to move about 70 MiB/s',
  },
  copySecondsPerGiB: {
    variable: 'LAB_COPY_SECONDS_PER_GIB',
    realistic: 10,
    basis: 'no figure from AWS for ordinary copies; 500 MiB/s is the most a time-based copy may ask for',
  },
  instanceStartSeconds: {
    variable: 'LAB_INSTANCE_START_SECONDS',
    realistic: 15,
    basis: 'no figure from AWS; Nitro instances leave pending within 10 to 20 seconds',
  },
  instanceStopSeconds: {
    variable: 'LAB_INSTANCE_STOP_SECONDS',
    realistic: 45,
    basis: 'EC2 User Guide: a stop "can take a few minutes" at most; a small Linux takes under one',
  },
  instanceTerminateSeconds: {
    variable: 'LAB_INSTANCE_TERMINATE_SECONDS',
    realistic: 45,
    basis: 'no figure from AWS; as a stop',
  },
  statusCheckSeconds: {
    variable: 'LAB_STATUS_CHECK_SECONDS',
    realistic: 120,
    basis: 'EC2 User Guide: status checks are performed every minute; the first result takes about two',
  },
  volumeCreateSeconds: {
    variable: 'LAB_VOLUME_CREATE_SECONDS',
    realistic: 3,
    basis: 'no figure from AWS; a volume is available within seconds, also one of a snapshot (loaded lazily)',
  },
  attachSeconds: {
    variable: 'LAB_ATTACH_SECONDS',
    realistic: 3,
    basis: 'no figure from AWS; seconds on Nitro',
  },
  detachSeconds: {
    variable: 'LAB_DETACH_SECONDS',
    realistic: 5,
    basis: 'no figure from AWS; seconds when the volume is not mounted',
  },
};

const NAMES = Object.keys(DURATION_KINDS) as (keyof LabDurations)[];

/** All durations of a mode, before overrides. */
export function durationsOf(time: LabTime): Required<LabDurations> {
  const factor = { instant: 0, brief: 0, scaled: 1 / SCALE, realistic: 1 }[time];
  const durations = {} as Required<LabDurations>;
  for (const name of NAMES) durations[name] = Math.round(DURATION_KINDS[name].realistic * factor * 1000) / 1000;
  return time === 'brief' ? { ...durations, snapshotSeconds: 2, copySeconds: 2 } : durations;
}

/**
 * The durations that the environment asks for: LAB_TIME (`brief` when absent), then one variable each.
 * LAB_SNAPSHOT_SECONDS and LAB_COPY_SECONDS say the whole duration: the share per GiB is 0 then, unless it is said too.
 *
 * @throws Error naming the variable whose value is no duration or no mode.
 */
export function durationsFrom(env: NodeJS.ProcessEnv): Required<LabDurations> {
  const durations = durationsOf(timeFrom(env.LAB_TIME));
  const said = (name: keyof LabDurations): number | undefined => seconds(env, DURATION_KINDS[name].variable);
  if (said('snapshotSeconds') !== undefined) durations.snapshotSecondsPerGiB = 0;
  if (said('copySeconds') !== undefined) durations.copySecondsPerGiB = 0;
  for (const name of NAMES) durations[name] = said(name) ?? durations[name];
  return durations;
}

function timeFrom(text: string | undefined): LabTime {
  if (text === undefined || text === '') return 'brief';
  if (text === 'instant' || text === 'brief' || text === 'scaled' || text === 'realistic') return text;
  throw new Error(`LAB_TIME="${text}" is not known: say instant, brief, scaled or realistic`);
}

function seconds(env: NodeJS.ProcessEnv, name: string): number | undefined {
  const text = env[name];
  if (text === undefined || text === '') return undefined;
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0)
    throw new Error(`${name}="${text}" is not a duration: give seconds, 0 or more`);
  return value;
}

/** The same as variables for the emulator's process. */
export function durationVariables(durations: LabDurations): Record<string, string> {
  return Object.fromEntries(NAMES.map((name) => [DURATION_KINDS[name].variable, String(durations[name] ?? 0)]));
}
