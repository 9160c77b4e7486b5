import { AsyncLocalStorage } from 'node:async_hooks';
import type { CustodyAct } from '../domain/custody/act';
import type { AwsCall } from '../domain/custody/facts';

/** An act as it was noted, with the calls that were made for it. */
export interface NotedAct extends CustodyAct {
  /** ISO 8601, UTC: this machine's clock. */
  at: string;
  awsCalls: AwsCall[];
  awsCallsNotListed?: number;
  /** ARN of the role that made the calls. */
  principal?: string;
}

/** An upload is copied in thousands of parts; an entry of the log must fit an item of the table. */
const CALLS_LISTED = 20;

/**
 * What one attempt of a step does, gathered while it runs. Calls come from the AWS clients by themselves; the step tells what they
 * were for. A call that belongs to no act is told as it is: nothing stays out of the log because a step forgot to tell.
 */
export class ActsOfAttempt {
  private readonly noted: NotedAct[] = [];
  private calls: AwsCall[] = [];
  private principal?: string;

  called(call: AwsCall, principal: string): void {
    this.calls.push(call);
    this.principal = principal;
  }

  note(act: CustodyAct): void {
    this.noted.push({ ...act, at: new Date().toISOString(), ...this.takeCalls() });
  }

  /** @param step name of the step, for calls that it said nothing about */
  all(step: string): NotedAct[] {
    if (this.calls.length > 0) {
      const made = [...new Set(this.calls.map(({ call }) => call))].join(', ');
      this.note({ message: `${step} called ${made}` });
    }
    return this.noted;
  }

  /** Adds what a branch of the step has done. */
  take({ noted, calls, principal }: ActsOfAttempt): void {
    this.noted.push(...noted);
    this.calls.push(...calls);
    if (principal !== undefined) this.principal = principal;
  }

  private takeCalls(): Pick<NotedAct, 'awsCalls' | 'awsCallsNotListed' | 'principal'> {
    const { calls, principal } = this;
    this.calls = [];
    const notListed = calls.length - CALLS_LISTED;
    return {
      awsCalls: calls.slice(0, CALLS_LISTED),
      ...(notListed > 0 && { awsCallsNotListed: notListed }),
      ...(principal !== undefined && calls.length > 0 && { principal }),
    };
  }
}

const current = new AsyncLocalStorage<ActsOfAttempt>();

/** Runs one attempt of a step and gathers what it does. */
export const gatherActs = <T>(acts: ActsOfAttempt, run: () => Promise<T>): Promise<T> => current.run(acts, run);

/** Runs one of several branches of a step that go side by side: the calls that it makes are told with its own acts. */
export async function apart<T>(run: () => Promise<T>): Promise<T> {
  const whole = current.getStore();
  if (!whole) return run();
  const own = new ActsOfAttempt();
  try {
    return await current.run(own, run);
  } finally {
    whole.take(own);
  }
}

/**
 * Tells what the running step did to the suspect or to evidence; call it when it is done, also when an earlier attempt did it (and
 * say so). It becomes an entry of the custody log. Outside of a worker's step it is told to nobody.
 */
export const noteAct = (act: CustodyAct): void => current.getStore()?.note(act);

/** Of the AWS clients: a call that changes something was answered. */
export const noteAwsCall = (call: AwsCall, principal: string): void => current.getStore()?.called(call, principal);
