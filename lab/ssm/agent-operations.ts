import { invalidRequest } from './aws-error';
import { applyReply, end } from './commands';
import { type DocumentStatus, parseCommandMessageId, type StepResult } from './messages';
import { isJsonObject, type JsonObject, type RequestBody } from './request';
import type { Caller, RunCommandParts } from './send-command';

const DEFAULT_VISIBILITY_SECONDS = 10;

/** UpdateInstanceInformation: what an agent tells about itself when it starts and every five minutes. */
export function updateInstanceInformation(parts: RunCommandParts, caller: Caller, body: RequestBody): JsonObject {
  parts.agents.seen(body.text('InstanceId'), caller.accountId, {
    agentVersion: body.optionalText('AgentVersion'),
    platformType: body.optionalText('PlatformType'),
    platformName: body.optionalText('PlatformName'),
    platformVersion: body.optionalText('PlatformVersion'),
    computerName: body.optionalText('ComputerName'),
    ipAddress: body.optionalText('IPAddress'),
  });
  return {};
}

/** GetMessages: a long poll, and a sign of life also after a restart of this server. */
export async function getMessages(
  parts: RunCommandParts,
  caller: Caller,
  body: RequestBody,
  longPollMs: number,
  gone: AbortSignal,
): Promise<JsonObject> {
  const instanceId = body.text('Destination');
  parts.agents.seen(instanceId, caller.accountId);
  const visibility = body.optionalInteger('VisibilityTimeoutInSeconds', 0, 43_200) ?? DEFAULT_VISIBILITY_SECONDS;
  const messages = await parts.queue.take(instanceId, visibility * 1000, longPollMs, gone);
  return {
    Destination: instanceId,
    Messages: messages,
    MessagesRequestId: body.optionalText('MessagesRequestId') ?? '',
  };
}

/** AcknowledgeMessage: the agent has the message, so it is not given out again. */
export function acknowledgeMessage(parts: RunCommandParts, body: RequestBody): JsonObject {
  const messageId = body.text('MessageId');
  parts.queue.remove(messageId);
  const invocation = invocationOf(parts, messageId);
  if (invocation?.status === 'Pending') end(invocation, 'InProgress');
  return {};
}

export function deleteMessage(parts: RunCommandParts, body: RequestBody): JsonObject {
  parts.queue.remove(body.text('MessageId'));
  return {};
}

/** FailMessage: the agent cannot make sense of the message. */
export function failMessage(parts: RunCommandParts, body: RequestBody): JsonObject {
  const messageId = body.text('MessageId');
  parts.queue.remove(messageId);
  const invocation = invocationOf(parts, messageId);
  if (invocation !== undefined) applyReply(invocation, 'Failed', null, body.optionalText('FailureType') ?? '');
  return {};
}

/** SendReply: progress of a command, one reply a step and one at the end. */
export function sendReply(parts: RunCommandParts, body: RequestBody): JsonObject {
  const messageId = body.text('MessageId');
  const invocation = invocationOf(parts, messageId);
  const { status, trace, steps } = parseReply(body.text('Payload'));
  if (invocation !== undefined) applyReply(invocation, status, steps, trace);
  return { MessageId: messageId, ReplyId: body.optionalText('ReplyId') ?? '', ReplyStatus: 'Received' };
}

function invocationOf(
  parts: RunCommandParts,
  messageId: string,
): ReturnType<RunCommandParts['commands']['invocation']> {
  const parsed = parseCommandMessageId(messageId);
  return parsed && parts.commands.invocation(parsed.commandId, parsed.instanceId);
}

const FINAL: ReadonlySet<string> = new Set(['Success', 'Failed', 'TimedOut', 'Cancelled']);

function parseReply(text: string): { status: DocumentStatus; trace: string; steps: Record<string, StepResult> } {
  const payload: unknown = JSON.parse(text);
  if (!isJsonObject(payload)) throw invalidRequest('Payload is not a JSON object.');
  const { documentStatus, documentTraceOutput, runtimeStatus } = payload;
  const reported = isJsonObject(runtimeStatus) ? Object.entries(runtimeStatus) : [];
  return {
    status:
      typeof documentStatus === 'string' && FINAL.has(documentStatus)
        ? (documentStatus as DocumentStatus)
        : 'InProgress',
    trace: typeof documentTraceOutput === 'string' ? documentTraceOutput : '',
    steps: Object.fromEntries(reported.map(([name, step]) => [name, stepResult(isJsonObject(step) ? step : {})])),
  };
}

/** A step as an agent reported it; the real agent leaves members out when they are empty. */
function stepResult(step: JsonObject): StepResult {
  const text = (name: string): string => (typeof step[name] === 'string' ? step[name] : '');
  return {
    status: text('status') as StepResult['status'],
    code: typeof step.code === 'number' ? step.code : -1,
    name: text('name'),
    output: text('output'),
    startDateTime: text('startDateTime'),
    endDateTime: text('endDateTime'),
    standardOutput: text('standardOutput'),
    standardError: text('standardError'),
    outputS3BucketName: text('outputS3BucketName'),
    outputS3KeyPrefix: text('outputS3KeyPrefix'),
    stepName: text('stepName'),
  };
}
