import type { ActivityInterceptorsFactory } from '@temporalio/worker';

/** Milliseconds between two reports, at most. */
const LONGEST_INTERVAL = 5_000;
/** One report may be lost or late, and another one, before the server gives the step to another worker. */
const REPORTS_PER_TIMEOUT = 4;

/**
 * Heartbeats every activity for as long as it runs, so that the death of a worker is noticed within the heartbeat
 * time-out instead of the activity's own, and cancellation reaches activities that report no progress themselves. What
 * an activity reports itself is repeated, never overwritten.
 */
export const heartbeatInterceptor: ActivityInterceptorsFactory = (context) => {
  const { heartbeatTimeoutMs } = context.info;
  const interval = Math.min(LONGEST_INTERVAL, (heartbeatTimeoutMs ?? Infinity) / REPORTS_PER_TIMEOUT);
  let details: unknown = context.info.heartbeatDetails;
  const report = context.heartbeat.bind(context);
  Object.assign(context, {
    heartbeat: (latest?: unknown) => {
      details = latest;
      report(latest);
    },
  });
  return {
    inbound: {
      async execute(input, next) {
        const timer = setInterval(() => report(details), interval);
        try {
          return await next(input);
        } finally {
          clearInterval(timer);
        }
      },
    },
  };
};
