import { type Command, type Invocation, type InvocationStatus, isFinished } from './commands';

export interface CommandStatus {
  status: InvocationStatus;
  details: string;
}

/** A number, or a percentage of the targets, rounded down. */
export function limitOf(text: string, targets: number): number {
  return text.endsWith('%') ? Math.floor((Number(text.slice(0, -1)) * targets) / 100) : Number(text);
}

/** How many invocations may be under way at once; a small percentage of few targets still means one. */
export function concurrencyOf(command: Command): number {
  return Math.max(1, limitOf(command.maxConcurrency, command.invocations.size));
}

/**
 * What counts against MaxErrors: failures and execution time-outs, not what could not be delivered (SSM API,
 * CommandInvocation, StatusDetails).
 */
export function isError(invocation: Invocation): boolean {
  return invocation.status === 'Failed' || invocation.statusDetails === 'ExecutionTimedOut';
}

/** More errors than MaxErrors allows: with the default of 0, one is enough. */
export function hasTooManyErrors(command: Command): boolean {
  const errors = [...command.invocations.values()].filter(isError).length;
  return errors > limitOf(command.maxErrors, command.invocations.size);
}

/**
 * The status of a command as a whole, by "Understanding command statuses" of the Systems Manager User Guide. That page
 * names Incomplete as a detailed status only; the API's Status has no such value, and is Failed here.
 */
export function overallStatus(command: Command): CommandStatus {
  const all = [...command.invocations.values()];
  if (!command.targetsResolved) return { status: 'Pending', details: 'Pending' };
  if (all.length === 0) return { status: 'Success', details: 'NoInstancesInTag' };
  if (all.some((invocation) => !isFinished(invocation.status))) return unfinishedStatus(all);
  const count = (details: string): number => all.filter((invocation) => invocation.statusDetails === details).length;
  if (hasTooManyErrors(command)) {
    return count('Failed') > 0
      ? { status: 'Failed', details: 'Failed' }
      : { status: 'TimedOut', details: 'ExecutionTimedOut' };
  }
  if (count('Cancelled') > 0) return { status: 'Cancelled', details: 'Cancelled' };
  if (count('DeliveryTimedOut') > limitOf(command.maxErrors, all.length)) {
    return { status: 'TimedOut', details: 'DeliveryTimedOut' };
  }
  return count('Success') === all.length
    ? { status: 'Success', details: 'Success' }
    : { status: 'Failed', details: 'Incomplete' };
}

function unfinishedStatus(all: Invocation[]): CommandStatus {
  if (all.every((invocation) => invocation.status === 'Pending')) return { status: 'Pending', details: 'Pending' };
  const status = all.some((invocation) => invocation.status === 'Cancelling') ? 'Cancelling' : 'InProgress';
  return { status, details: status };
}
