import { AwsError, invalidRequest } from './aws-error';
import { overallStatus } from './command-status';
import type { Command, CommandNotification } from './commands';
import type { RequestBody } from './request';

/** What goes to the topic; the account's and the Region's own. */
export type Publish = (command: Command, topicArn: string, message: object) => Promise<void>;

const TOPIC = /^arn:aws[\w-]*:sns:[\w-]+:\d{12}:[\w-]+$/;
const EVENTS: ReadonlySet<string> = new Set(['All', 'InProgress', 'Success', 'TimedOut', 'Cancelled', 'Failed']);

/** @throws AwsError InvalidNotificationConfig, InvalidRole */
export function requestedNotification(body: RequestBody): CommandNotification | undefined {
  const given = body.optionalObject('NotificationConfig');
  if (given === undefined) return undefined;
  const topicArn = given.optionalText('NotificationArn') ?? '';
  if (!TOPIC.test(topicArn)) {
    throw new AwsError('InvalidNotificationConfig', 'NotificationArn is not the ARN of an Amazon SNS topic.');
  }
  const events = given.texts('NotificationEvents');
  const unknown = events.find((event) => !EVENTS.has(event));
  if (unknown !== undefined) throw new AwsError('InvalidNotificationConfig', `${unknown} is not a notification event.`);
  const type = given.optionalText('NotificationType') ?? 'Command';
  if (type !== 'Command' && type !== 'Invocation') throw invalidRequest(`NotificationType ${type} is not valid.`);
  if (!/^arn:aws[\w-]*:iam::\d{12}:role\/.+/.test(body.optionalText('ServiceRoleArn') ?? '')) {
    throw new AwsError('InvalidRole', 'ServiceRoleArn is not the ARN of a role: notifications are sent with one.');
  }
  return { topicArn, events: events.length === 0 ? ['All'] : events, type };
}

/** Tells a topic about changes of status. The messages are those of "Example Amazon SNS notifications" (User Guide). */
export class Notifications {
  private readonly told = new WeakMap<Command, Map<string, string>>();
  /** One message after the other, so that a topic hears of changes in their order. */
  private sending: Promise<void> = Promise.resolve();

  constructor(
    private readonly publish: Publish,
    private readonly clock: () => number,
  ) {}

  follow(command: Command): void {
    const { notification } = command;
    if (notification === undefined) return;
    const told = this.told.get(command) ?? new Map<string, string>();
    this.told.set(command, told);
    for (const [subject, status] of statuses(command, notification.type)) {
      if (status === told.get(subject)) continue;
      told.set(subject, status);
      if (!notification.events.includes('All') && !notification.events.includes(status)) continue;
      if (!EVENTS.has(status)) continue;
      const message = this.message(command, subject, status);
      this.sending = this.sending.then(() => this.publish(command, notification.topicArn, message));
    }
  }

  private message(command: Command, instanceId: string, status: string): object {
    const iso = (time: number): string => new Date(time).toISOString();
    const common = { commandId: command.id, documentName: command.documentName };
    const times = { requestedDateTime: iso(command.requestedAt) };
    if (instanceId !== '') return { ...common, instanceId, ...times, status, eventTime: iso(this.clock()) };
    return {
      ...common,
      instanceIds: command.instanceIds,
      ...times,
      expiresAfter: iso(command.expiresAt),
      outputS3BucketName: command.output?.bucket ?? '',
      outputS3KeyPrefix: command.output?.prefix ?? '',
      status,
      eventTime: iso(this.clock()),
    };
  }
}

/** Instance id → status; the command as a whole goes by the empty id. */
function statuses(command: Command, type: CommandNotification['type']): [string, string][] {
  if (type === 'Command') return [['', overallStatus(command).status]];
  return [...command.invocations.values()].map((invocation) => [invocation.instanceId, invocation.status]);
}
