import { concurrencyOf, hasTooManyErrors } from './command-status';
import { type Command, end, type Invocation, isFinished } from './commands';
import { commandMessageId, type SendCommandPayload } from './messages';
import type { MessageQueue } from './message-queue';
import type { Notifications } from './notifications';

/**
 * Brings commands to their instances: as many at once as MaxConcurrency allows, no more after more errors than
 * MaxErrors, and none for ever.
 */
export class CommandFlow {
  private readonly unfinished = new Set<Command>();
  private readonly changed = new Set<Command>();

  constructor(
    private readonly queue: MessageQueue,
    private readonly notifications: Notifications,
    private readonly clock: () => number,
  ) {}

  start(command: Command): void {
    this.unfinished.add(command);
    this.advance(command);
  }

  /** After a change of one of its invocations; a thousand of them in a moment are looked at together. */
  touch(command: Command): void {
    if (this.changed.has(command)) return;
    this.changed.add(command);
    setImmediate(() => {
      this.changed.delete(command);
      this.advance(command);
    });
  }

  /** Before anyone reads it. */
  advance(command: Command): void {
    if (!command.targetsResolved || !this.unfinished.has(command)) return;
    const all = [...command.invocations.values()];
    for (const invocation of all) this.applyTimeouts(command, invocation);
    if (hasTooManyErrors(command)) {
      for (const invocation of all) if (isWaiting(invocation)) end(invocation, 'Cancelled', 'Terminated');
    }
    this.sendNext(command, all);
    this.notifications.follow(command);
    if (all.every((invocation) => isFinished(invocation.status))) this.unfinished.delete(command);
  }

  /** Commands that nobody reads go on too. */
  advanceAll(): void {
    for (const command of [...this.unfinished]) this.advance(command);
  }

  private applyTimeouts(command: Command, invocation: Invocation): void {
    if (isFinished(invocation.status)) return;
    const now = this.clock();
    const undelivered =
      invocation.status === 'Pending' &&
      invocation.sentAt !== undefined &&
      now >= invocation.sentAt + command.timeoutSeconds * 1000;
    if (undelivered || now >= command.expiresAt) end(invocation, 'TimedOut', 'DeliveryTimedOut');
  }

  private sendNext(command: Command, all: Invocation[]): void {
    let free = concurrencyOf(command) - all.filter(isUnderWay).length;
    for (const invocation of all) {
      if (free <= 0) return;
      if (!isWaiting(invocation)) continue;
      this.send(command, invocation);
      free -= 1;
    }
  }

  private send(command: Command, invocation: Invocation): void {
    invocation.sentAt = this.clock();
    const payload: SendCommandPayload = {
      Parameters: command.typedParameters,
      DocumentContent: command.content,
      CommandId: command.id,
      DocumentName: command.documentName,
      OutputS3KeyPrefix: command.output?.prefix ?? '',
      OutputS3BucketName: command.output?.bucket ?? '',
      CloudWatchLogGroupName: '',
      CloudWatchOutputEnabled: 'false',
    };
    const topic = `aws.ssm.sendCommand.${command.region}.${command.documentName}`;
    const messageId = commandMessageId(command.id, invocation.instanceId);
    const deliveryExpiresAt = Math.min(invocation.sentAt + command.timeoutSeconds * 1000, command.expiresAt);
    this.queue.add(invocation.instanceId, messageId, topic, payload, deliveryExpiresAt);
  }
}

function isWaiting(invocation: Invocation): boolean {
  return invocation.status === 'Pending' && invocation.sentAt === undefined;
}

function isUnderWay(invocation: Invocation): boolean {
  return !isFinished(invocation.status) && invocation.sentAt !== undefined;
}
