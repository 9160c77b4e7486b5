import type { ActivityInterceptorsFactory } from '@temporalio/worker';

/** Milliseconds; well under the 30 s heartbeat time-out of every activity. */
const INTERVAL = 5_000;

/**
 * Heartbeats every activity for as long as it runs, so that the death of a worker is noticed within the heartbeat
 * time-out instead of the activity's own, and cancellation reaches activities that report no progress themselves. What
 * an activity reports itself is repeated, never overwritten.
 */
export const heartbeatInterceptor: ActivityInterceptorsFactory = (context) => {
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
        const timer = setInterval(() => report(details), INTERVAL);
        try {
          return await next(input);
        } finally {
          clearInterval(timer);
        }
      },
    },
  };
};
