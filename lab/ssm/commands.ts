import { AwsError } from './aws-error';
import type { DocumentContent } from './documents';
import type { DocumentStatus, StepResult } from './messages';
import type { Target } from './targets';

export type InvocationStatus =
  'Pending' | 'InProgress' | 'Cancelling' | 'Success' | 'Failed' | 'TimedOut' | 'Cancelled';

/** A command on one instance. */
export interface Invocation {
  instanceId: string;
  status: InvocationStatus;
  /** As Status, but says more: DeliveryTimedOut, ExecutionTimedOut, Terminated. */
  statusDetails: string;
  steps: Map<string, StepResult>;
  trace: string;
  /** When the message was put into the instance's queue (milliseconds of the clock); until then it waits its turn. */
  sentAt: number | undefined;
}

/** Where the agents put their output. */
export interface OutputPlace {
  bucket: string;
  prefix: string;
}

/** `NotificationConfig` of SendCommand. */
export interface CommandNotification {
  topicArn: string;
  /** Statuses that are told, or All. */
  events: string[];
  type: 'Command' | 'Invocation';
}

export interface Command {
  id: string;
  accountId: string;
  region: string;
  documentName: string;
  documentVersion: string;
  content: DocumentContent;
  /** As the caller gave them. */
  parameters: Record<string, string[]>;
  /** As the agents get them. */
  typedParameters: Record<string, unknown>;
  comment: string;
  /** The instances that the caller named; empty for a command by targets. */
  instanceIds: string[];
  targets: Target[];
  /** False until the targets were looked up, which AWS does after it has answered. */
  targetsResolved: boolean;
  /** A number, or a percentage of the targets. */
  maxConcurrency: string;
  maxErrors: string;
  timeoutSeconds: number;
  /** Milliseconds of the clock, as the one that follows. */
  requestedAt: number;
  /** A command that has not ended by then is timed out, such as one whose agent was killed. */
  expiresAt: number;
  output: OutputPlace | undefined;
  notification: CommandNotification | undefined;
  serviceRole: string;
  invocations: Map<string, Invocation>;
}

const UNFINISHED: ReadonlySet<InvocationStatus> = new Set(['Pending', 'InProgress', 'Cancelling']);

export function isFinished(status: InvocationStatus): boolean {
  return !UNFINISHED.has(status);
}

export function newInvocation(instanceId: string): Invocation {
  return { instanceId, status: 'Pending', statusDetails: 'Pending', steps: new Map(), trace: '', sentAt: undefined };
}

/** All commands of all accounts. In memory only: they end with the server. */
export class CommandStore {
  private readonly commands = new Map<string, Command>();

  /** @param advance brings a command up to date before anyone reads it. */
  constructor(private readonly advance: (command: Command) => void) {}

  add(command: Command): void {
    this.commands.set(command.id, command);
  }

  /** @throws AwsError InvalidCommandId, also for a command of another account. */
  ofAccount(commandId: string, accountId: string): Command {
    const command = this.commands.get(commandId);
    if (command?.accountId !== accountId) throw new AwsError('InvalidCommandId', 'Invalid command id.');
    this.advance(command);
    return command;
  }

  /** The command as it is, for who changes it. */
  record(commandId: string): Command | undefined {
    return this.commands.get(commandId);
  }

  /** The account's commands in the Region, newest first. */
  list(accountId: string, region: string): Command[] {
    const own = [...this.commands.values()].filter(
      (command) => command.accountId === accountId && command.region === region,
    );
    for (const command of own) this.advance(command);
    return own.reverse();
  }
}

/** Puts a status on an invocation. */
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
