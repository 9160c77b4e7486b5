import { AwsError } from './aws-error';
import type { DocumentContent } from './documents';
import type { DocumentStatus, StepResult } from './messages';

export type InvocationStatus =
  'Pending' | 'InProgress' | 'Cancelling' | 'Success' | 'Failed' | 'TimedOut' | 'Cancelled';

/** A command on one instance. */
export interface Invocation {
  instanceId: string;
  status: InvocationStatus;
  /** As Status, but says which time-out it was: DeliveryTimedOut or ExecutionTimedOut. */
  statusDetails: string;
  steps: Map<string, StepResult>;
  trace: string;
}

export interface Command {
  id: string;
  accountId: string;
  region: string;
  documentName: string;
  documentVersion: string;
  content: DocumentContent;
  parameters: Record<string, string[]>;
  comment: string;
  maxConcurrency: string;
  maxErrors: string;
  timeoutSeconds: number;
  /** Milliseconds of the clock, as the two that follow. */
  requestedAt: number;
  /** A command that no agent has taken by then is timed out. */
  deliveryExpiresAt: number;
  /** A command that has not ended by then is timed out, such as one whose agent was killed. */
  expiresAt: number;
  invocations: Map<string, Invocation>;
}

const UNFINISHED: ReadonlySet<InvocationStatus> = new Set(['Pending', 'InProgress', 'Cancelling']);

export function isFinished(status: InvocationStatus): boolean {
  return !UNFINISHED.has(status);
}

/** All commands of all accounts. In memory only: they end with the server. */
export class CommandStore {
  private readonly commands = new Map<string, Command>();

  constructor(private readonly clock: () => number) {}

  add(command: Command): void {
    this.commands.set(command.id, command);
  }

  /** @throws AwsError InvalidCommandId, also for a command of another account. */
  ofAccount(commandId: string, accountId: string): Command {
    const command = this.commands.get(commandId);
    if (command?.accountId !== accountId) throw new AwsError('InvalidCommandId', 'Invalid command id.');
    this.applyTimeouts(command);
    return command;
  }

  /** The account's commands in the Region, newest first. */
  list(accountId: string, region: string): Command[] {
    const own = [...this.commands.values()].filter(
      (command) => command.accountId === accountId && command.region === region,
    );
    for (const command of own) this.applyTimeouts(command);
    return own.reverse();
  }

  invocation(commandId: string, instanceId: string): Invocation | undefined {
    const command = this.commands.get(commandId);
    if (command === undefined) return undefined;
    this.applyTimeouts(command);
    return command.invocations.get(instanceId);
  }

  private applyTimeouts(command: Command): void {
    const now = this.clock();
    for (const invocation of command.invocations.values()) {
      const deadline = invocation.status === 'Pending' ? command.deliveryExpiresAt : command.expiresAt;
      if (!isFinished(invocation.status) && now >= deadline) end(invocation, 'TimedOut', 'DeliveryTimedOut');
    }
  }
}

/** Puts a final status on an invocation. */
export function end(invocation: Invocation, status: InvocationStatus, details: string = status): void {
  invocation.status = status;
  invocation.statusDetails = details;
}

/** Takes over what an agent reported; a finished invocation stays as it is. */
export function applyReply(
  invocation: Invocation,
  documentStatus: DocumentStatus,
  steps: Record<string, StepResult> | null,
  trace: string,
): void {
  if (isFinished(invocation.status)) return;
  for (const [name, step] of Object.entries(steps ?? {})) invocation.steps.set(name, step);
  if (trace !== '') invocation.trace = trace;
  if (documentStatus === 'InProgress') {
    if (invocation.status === 'Pending') end(invocation, 'InProgress');
    return;
  }
  end(invocation, documentStatus, documentStatus === 'TimedOut' ? 'ExecutionTimedOut' : documentStatus);
}

/**
 * The status of a command as a whole. MaxErrors is 0 by default, so one failure makes the command Failed
 * (Systems Manager user guide, Understanding command statuses).
 */
export function overallStatus(command: Command): { status: InvocationStatus; details: string } {
  const all = [...command.invocations.values()];
  const has = (status: InvocationStatus): Invocation | undefined =>
    all.find((invocation) => invocation.status === status);
  if (all.some((invocation) => !isFinished(invocation.status))) {
    if (all.every((invocation) => invocation.status === 'Pending')) return { status: 'Pending', details: 'Pending' };
    const status = has('Cancelling') === undefined ? 'InProgress' : 'Cancelling';
    return { status, details: status };
  }
  const worst = has('Failed') ?? has('TimedOut') ?? has('Cancelled');
  return worst === undefined
    ? { status: 'Success', details: 'Success' }
    : { status: worst.status, details: worst.statusDetails };
}
