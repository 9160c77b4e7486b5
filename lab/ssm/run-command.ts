import { randomUUID } from 'node:crypto';
import { AwsError, invalidRequest } from './aws-error';
import { commandView, invocationDetail, invocationView } from './command-views';
import { type Command, end, type Invocation, isFinished, overallStatus } from './commands';
import { type CancelCommandPayload, commandMessageId } from './messages';
import { page, type PageLimits } from './paging';
import type { JsonObject, RequestBody } from './request';
import type { Caller, RunCommandParts } from './send-command';

const COMMANDS_A_PAGE: PageLimits = { fallback: 50, least: 1, most: 50 };

/** ListCommands: newest first. */
export function listCommands(parts: RunCommandParts, caller: Caller, body: RequestBody): JsonObject {
  const { items, nextToken } = page(selectCommands(parts, caller, body), body, COMMANDS_A_PAGE);
  return { Commands: items.map(commandView), NextToken: nextToken };
}

/** ListCommandInvocations: newest command first. */
export function listCommandInvocations(parts: RunCommandParts, caller: Caller, body: RequestBody): JsonObject {
  const instanceId = body.optionalText('InstanceId');
  const all = selectCommands(parts, caller, body).flatMap((command) =>
    [...command.invocations.values()]
      .filter((invocation) => instanceId === undefined || invocation.instanceId === instanceId)
      .map((invocation) => ({ command, invocation })),
  );
  const { items, nextToken } = page(all, body, COMMANDS_A_PAGE);
  return {
    CommandInvocations: items.map(({ command, invocation }) =>
      invocationView(command, invocation, body.flag('Details')),
    ),
    NextToken: nextToken,
  };
}

/**
 * GetCommandInvocation.
 * @param visibleAfterMs AWS may not know an invocation right after SendCommand; how long this lasts here.
 */
export function getCommandInvocation(
  parts: RunCommandParts,
  caller: Caller,
  body: RequestBody,
  visibleAfterMs: number,
): JsonObject {
  const command = parts.commands.ofAccount(body.text('CommandId'), caller.accountId);
  const invocation = command.invocations.get(body.text('InstanceId'));
  if (invocation === undefined || parts.clock() - command.requestedAt < visibleAfterMs) {
    throw new AwsError('InvocationDoesNotExist', 'The command ID and managed node ID you specified did not match.');
  }
  const pluginName = body.optionalText('PluginName');
  if (pluginName !== undefined && !command.content.mainSteps.some((step) => step.name === pluginName)) {
    throw new AwsError('InvalidPluginName', 'The plugin name is not valid.');
  }
  return invocationDetail(command, invocation, pluginName);
}

/** CancelCommand: what no agent has taken is cancelled at once, what runs is asked to end. */
export function cancelCommand(parts: RunCommandParts, caller: Caller, body: RequestBody): JsonObject {
  const command = parts.commands.ofAccount(body.text('CommandId'), caller.accountId);
  const asked = body.texts('InstanceIds');
  const chosen = asked.length === 0 ? [...command.invocations.keys()] : asked;
  const invocations = chosen.map((instanceId) => {
    const invocation = command.invocations.get(instanceId);
    if (invocation === undefined) {
      throw new AwsError('InvalidInstanceId', `Command ${command.id} was not sent to ${instanceId}.`);
    }
    return invocation;
  });
  for (const invocation of invocations) cancelInvocation(parts, command, invocation);
  return {};
}

function cancelInvocation(parts: RunCommandParts, command: Command, invocation: Invocation): void {
  if (isFinished(invocation.status)) return;
  const messageId = commandMessageId(command.id, invocation.instanceId);
  if (parts.queue.remove(messageId)) {
    // Nobody acknowledged it. An agent that took it this instant finds the invocation closed when it replies.
    end(invocation, 'Cancelled');
    return;
  }
  end(invocation, 'Cancelling');
  const payload: CancelCommandPayload = { CancelMessageId: messageId };
  const topic = `aws.ssm.cancelCommand.${command.region}.${command.documentName}`;
  const cancelId = commandMessageId(randomUUID(), invocation.instanceId);
  parts.queue.add(invocation.instanceId, cancelId, topic, payload, command.expiresAt);
}

function selectCommands(parts: RunCommandParts, caller: Caller, body: RequestBody): Command[] {
  const commandId = body.optionalText('CommandId');
  const instanceId = body.optionalText('InstanceId');
  const filters = body.objects('Filters').map(commandFilter);
  const candidates =
    commandId === undefined
      ? parts.commands.list(caller.accountId, caller.region)
      : [parts.commands.ofAccount(commandId, caller.accountId)];
  return candidates
    .filter((command) => instanceId === undefined || command.invocations.has(instanceId))
    .filter((command) => filters.every((matches) => matches(command)));
}

/** `CommandFilter` of the API, whose members are written in lower case. */
function commandFilter(filter: RequestBody): (command: Command) => boolean {
  const key = filter.text('key');
  const value = filter.text('value');
  switch (key) {
    case 'Status':
      return (command) => overallStatus(command).status === value;
    case 'DocumentName':
      return (command) => command.documentName === value;
    case 'InvokedAfter':
      return (command) => command.requestedAt >= timeOf(key, value);
    case 'InvokedBefore':
      return (command) => command.requestedAt <= timeOf(key, value);
    default:
      throw new AwsError('InvalidFilterKey', `The filter key ${key} is not one of Status, DocumentName, Invoked….`);
  }
}

function timeOf(key: string, value: string): number {
  const time = Date.parse(value);
  if (Number.isNaN(time)) throw invalidRequest(`Filter ${key}: ${value} is not an ISO 8601 time.`);
  return time;
}
