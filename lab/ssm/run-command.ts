import { randomUUID } from 'node:crypto';
import { AwsError, invalidRequest } from './aws-error';
import { commandView, invocationDetail, invocationView } from './command-views';
import { overallStatus } from './command-status';
import { type Command, end, type Invocation, isFinished } from './commands';
import { type CancelCommandPayload, commandMessageId } from './messages';
import { page, type PageLimits } from './paging';
import type { JsonObject, RequestBody } from './request';
import type { Caller, RunCommandParts } from './send-command';
import { requestedInstances } from './targets';

const COMMANDS_A_PAGE: PageLimits = { fallback: 50, least: 1, most: 50 };

/** ListCommands: newest first. */
export function listCommands(parts: RunCommandParts, caller: Caller, body: RequestBody): JsonObject {
  const filters = filtersOf(body).map(commandFilter);
  const commands = selectCommands(parts, caller, body).filter((command) =>
    filters.every((matches) => matches(command)),
  );
  const { items, nextToken } = page(commands, body, COMMANDS_A_PAGE);
  return { Commands: items.map(commandView), NextToken: nextToken };
}

/** ListCommandInvocations: newest command first. */
export function listCommandInvocations(parts: RunCommandParts, caller: Caller, body: RequestBody): JsonObject {
  const instanceId = body.optionalText('InstanceId');
  const filters = filtersOf(body).map(invocationFilter);
  const all = selectCommands(parts, caller, body).flatMap((command) =>
    [...command.invocations.values()]
      .filter((invocation) => instanceId === undefined || invocation.instanceId === instanceId)
      .filter((invocation) => filters.every((matches) => matches(command, invocation)))
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
  const asked = requestedInstances(body);
  const chosen = asked.length === 0 ? [...command.invocations.keys()] : asked;
  const invocations = chosen.map((instanceId) => {
    const invocation = command.invocations.get(instanceId);
    if (invocation === undefined) {
      throw new AwsError('InvalidInstanceId', `Command ${command.id} was not sent to ${instanceId}.`);
    }
    return invocation;
  });
  for (const invocation of invocations) cancelInvocation(parts, command, invocation);
  parts.flow.advance(command);
  return {};
}

function cancelInvocation(parts: RunCommandParts, command: Command, invocation: Invocation): void {
  if (isFinished(invocation.status)) return;
  const messageId = commandMessageId(command.id, invocation.instanceId);
  if (parts.queue.remove(messageId) || invocation.sentAt === undefined) {
    // It waits its turn, or nobody acknowledged it. An agent that took it this instant finds the invocation closed when it replies.
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
  const candidates =
    commandId === undefined
      ? parts.commands.list(caller.accountId, caller.region)
      : [parts.commands.ofAccount(commandId, caller.accountId)];
  return candidates.filter((command) => instanceId === undefined || command.invocations.has(instanceId));
}

interface Filter {
  key: string;
  value: string;
}

/** `CommandFilter` of the API, whose members are written in lower case; at most five. */
function filtersOf(body: RequestBody): Filter[] {
  const filters = body.objects('Filters').map((filter) => ({ key: filter.text('key'), value: filter.text('value') }));
  if (filters.length > 5) throw invalidRequest('Filters has more than 5 items.');
  return filters;
}

function commandFilter({ key, value }: Filter): (command: Command) => boolean {
  switch (key) {
    case 'Status':
      return (command) => isStatus(overallStatus(command), value);
    case 'ExecutionStage':
      if (value !== 'Executing' && value !== 'Complete') throw invalidRequest(`${value} is not an execution stage.`);
      return (command) => isFinished(overallStatus(command).status) === (value === 'Complete');
    default:
      return sharedFilter({ key, value });
  }
}

/** The Status of a list of invocations is the invocation's own, and there is no ExecutionStage (API, CommandFilter). */
function invocationFilter({ key, value }: Filter): (command: Command, invocation: Invocation) => boolean {
  if (key === 'Status') {
    return (_, { status, statusDetails }) => isStatus({ status, details: statusDetails }, value);
  }
  return sharedFilter({ key, value });
}

function sharedFilter({ key, value }: Filter): (command: Command) => boolean {
  switch (key) {
    case 'DocumentName':
      return (command) => command.documentName === value;
    case 'InvokedAfter':
      return (command) => command.requestedAt >= timeOf(key, value);
    case 'InvokedBefore':
      return (command) => command.requestedAt <= timeOf(key, value);
    default:
      throw new AwsError('InvalidFilterKey', `The filter key ${key} is not valid here.`);
  }
}

/** A filter may name the status or, more narrowly, the detailed one: TimedOut includes both kinds of time-out. */
function isStatus({ status, details }: { status: string; details: string }, wanted: string): boolean {
  return wanted === status || wanted === details;
}

function timeOf(key: string, value: string): number {
  const time = Date.parse(value);
  if (Number.isNaN(time)) throw invalidRequest(`Filter ${key}: ${value} is not an ISO 8601 time.`);
  return time;
}
