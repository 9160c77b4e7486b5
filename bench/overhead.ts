import { attribute, clip, gaps, type Interval, length } from './intervals';

const NO_STEP = 'no step running (Temporal, workflow code)';

/** Where a case's wall time went. Milliseconds. */
export interface TimeShares {
  /** Time in which at least one job of AWS or a tool ran. */
  jobs: number;
  /** Of the rest, which is our own time: AWS was answering at least one API call of the worker. */
  answering: number;
  /** Our own time by the step that was running, the largest first. Of each, the part in which AWS was answering. */
  own: { step: string; milliseconds: number; answering: number }[];
}

/** Shares a case's time out among jobs, API calls that are being answered, and steps. */
export function shareOut(
  window: Interval,
  jobs: readonly Interval[],
  answers: readonly Interval[],
  steps: readonly (Interval & { name: string })[],
): TimeShares {
  const withoutJobs = gaps(jobs, window);
  const answered = withoutJobs.flatMap((gap) => clip(answers, gap));
  const ofAnswers = attribute(answered, steps, NO_STEP);
  return {
    jobs: length(clip(jobs, window)),
    answering: length(answered),
    own: [...attribute(withoutJobs, steps, NO_STEP)]
      .map(([step, milliseconds]) => ({ step, milliseconds, answering: ofAnswers.get(step) ?? 0 }))
      .sort((a, b) => b.milliseconds - a.milliseconds),
  };
}

/** A case's times, milliseconds, of which its overhead is made. */
interface CaseTimes {
  wall: number;
  jobs: number;
  answering: number;
  criticalPath: number;
}

/** Wall time in which no job of AWS or a tool ran. Strict: it holds the time that AWS takes to answer our calls. */
export const ownTime = ({ wall, jobs }: CaseTimes): number => wall - jobs;

/** Wall time in which neither a job ran nor an API call was being answered. */
export const ownWithoutCalls = (times: CaseTimes): number => ownTime(times) - times.answering;

/** Own time without calls, as a share of the time in which AWS or a tool was at work: at a job or at an answer. */
export const overhead = (times: CaseTimes): number => ownWithoutCalls(times) / (times.jobs + times.answering);

/** The strictest figure: everything beyond the longest chain of one exhibit's jobs, as a share of that chain. */
export const overCriticalPath = ({ wall, criticalPath }: CaseTimes): number => (wall - criticalPath) / criticalPath;
