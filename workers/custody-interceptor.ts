import { setTimeout as sleep } from 'node:timers/promises';
import { asyncLocalStorage, type Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { ActsOfAttempt, gatherActs, type NotedAct } from '../activities/custody-acts';
import type { CustodyLog } from '../activities/custody-log';
import type { CustodyDraft } from '../domain/custody/entry';

/** Milliseconds that a step waits for its acts to be written; evidence does not wait for the case table longer than this. */
const PATIENCE = 5_000;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;

/** Writes what steps do to the suspect and to evidence into the custody log, as each attempt of a step ends. */
export class CustodyRecorder {
  private readonly unwritten = new Set<Promise<void>>();

  constructor(private readonly log: Pick<CustodyLog, 'append'>) {}

  readonly interceptor: ActivityInterceptorsFactory = (context) => ({
    inbound: {
      execute: async (input, next) => {
        const acts = new ActsOfAttempt();
        let end = `attempt-${context.info.attempt}`;
        try {
          const result = await gatherActs(acts, () => next(input));
          // The same in every attempt: one that runs again after its success has done nothing new.
          end = 'done';
          return result;
        } finally {
          await this.record(context, caseIdOf(input.args[0]), end, acts.all(context.info.activityType));
        }
      },
    },
  });

  /** Resolves when every act is written, or after so many milliseconds. */
  async settled(patience: number): Promise<void> {
    await Promise.race([Promise.all(this.unwritten), sleep(patience, undefined, { ref: false })]);
  }

  private async record(context: Context, caseId: string | undefined, end: string, acts: NotedAct[]): Promise<void> {
    if (acts.length === 0 || caseId === undefined) return;
    const drafts = acts.map((act, index) => draftOf(context, act, `${end}/${index + 1}`));
    // Outside of the step's own context: its cancellation must not stop the writing.
    const writing = asyncLocalStorage.exit(() => this.appendAtLast(caseId, drafts, context));
    this.unwritten.add(writing);
    void writing.finally(() => this.unwritten.delete(writing));
    await Promise.race([writing, sleep(PATIENCE, undefined, { ref: false })]);
  }

  private async appendAtLast(caseId: string, drafts: CustodyDraft[], { log }: Context): Promise<void> {
    for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      try {
        await this.log.append(caseId, drafts);
        return;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        if (error instanceof ApplicationFailure && error.nonRetryable) {
          log.error('Acts could not be written to the custody log', { caseId, drafts, reason });
          return;
        }
        log.warn('Acts wait to be written to the custody log', { caseId, acts: drafts.length, reason });
        await sleep(pause, undefined, { ref: false });
      }
    }
  }
}

function draftOf({ info }: Context, { principal, ...act }: NotedAct, ordinal: string): CustodyDraft {
  const runId = info.workflowExecution?.runId ?? 'no-workflow';
  return {
    actor: { name: principal ?? 'ec2-forensics', knownBy: 'service' },
    ...act,
    entryId: `${runId}/${info.activityId}/${ordinal}`,
    kind: 'act',
    step: info.activityType,
    notify: false,
  };
}

/** Every step of a case is told which case it is of; those that write records find it in the record. */
function caseIdOf(input: unknown): string | undefined {
  if (typeof input !== 'object' || input === null) return undefined;
  const { caseId, outcome } = input as { caseId?: unknown; outcome?: { caseId?: unknown } };
  const id = caseId ?? outcome?.caseId;
  return typeof id === 'string' ? id : undefined;
}
