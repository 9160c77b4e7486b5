import type { AgentSession } from './agent-registry';
import { AwsError, invalidRequest } from './aws-error';
import { applyReply, type Command, end, type Invocation } from './commands';
import { AGENT_SUPERSEDED, type DocumentStatus, parseCommandMessageId, type StepResult } from './messages';
import { isJsonObject, type JsonObject, type RequestBody } from './request';
import type { Caller, RunCommandParts } from './send-command';

const DEFAULT_VISIBILITY_SECONDS = 10;

/** Who calls, and as which process of an agent. */
export interface AgentCaller extends Caller {
  session: AgentSession | undefined;
}

/** UpdateInstanceInformation: what an agent tells about itself when it starts and every five minutes. */
export function updateInstanceInformation(parts: RunCommandParts, caller: AgentCaller, body: RequestBody): JsonObject {
  const instanceId = body.text('InstanceId');
  admitSession(parts, instanceId, caller);
  parts.agents.seen(instanceId, caller.accountId, {
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
  caller: AgentCaller,
  body: RequestBody,
  longPollMs: number,
  gone: AbortSignal,
): Promise<JsonObject> {
  const instanceId = body.text('Destination');
  admitSession(parts, instanceId, caller);
  parts.agents.seen(instanceId, caller.accountId);
  const visibility = body.optionalInteger('VisibilityTimeoutInSeconds', 0, 43_200) ?? DEFAULT_VISIBILITY_SECONDS;
  const messages = await parts.queue.take(instanceId, visibility * 1000, longPollMs, gone);
  return {
    Destination: instanceId,
    Messages: messages,
    MessagesRequestId: body.optionalText('MessagesRequestId') ?? '',
  };
}

/** @throws AwsError AgentSuperseded, of the lab's own making, by which an agent that was left behind ends itself. */
function admitSession(parts: RunCommandParts, instanceId: string, { session }: AgentCaller): void {
  switch (parts.agents.claim(instanceId, session)) {
    case 'superseded':
      throw new AwsError(AGENT_SUPERSEDED, `A newer agent serves ${instanceId}.`);
    case 'newer':
      parts.queue.endPolls(instanceId);
      return;
    case 'current':
  }
}

/** AcknowledgeMessage: the agent has the message, so it is not given out again. */
export function acknowledgeMessage(parts: RunCommandParts, body: RequestBody): JsonObject {
  const messageId = body.text('MessageId');
  parts.queue.remove(messageId);
  const { command, invocation } = invocationOf(parts, messageId);
  if (invocation?.status === 'Pending') end(invocation, 'InProgress');
  if (command !== undefined) parts.flow.touch(command);
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
  applyTo(parts, messageId, { status: 'Failed', trace: body.optionalText('FailureType') ?? '', steps: {} });
  return {};
}

/** SendReply: progress of a command, one reply a step and one at the end. */
export function sendReply(parts: RunCommandParts, body: RequestBody): JsonObject {
  const messageId = body.text('MessageId');
  applyTo(parts, messageId, parseReply(body.text('Payload')));
  return { MessageId: messageId, ReplyId: body.optionalText('ReplyId') ?? '', ReplyStatus: 'Received' };
}

interface Reply {
  status: DocumentStatus;
  trace: string;
  steps: Record<string, StepResult>;
}

function applyTo(parts: RunCommandParts, messageId: string, { status, steps, trace }: Reply): void {
  const { command, invocation } = invocationOf(parts, messageId);
  if (command === undefined || invocation === undefined) return;
  applyReply(invocation, status, steps, trace);
  parts.flow.touch(command);
}

function invocationOf(
  parts: RunCommandParts,
  messageId: string,
): { command: Command | undefined; invocation: Invocation | undefined } {
  const parsed = parseCommandMessageId(messageId);
  const command = parsed && parts.commands.record(parsed.commandId);
  return { command, invocation: parsed && command?.invocations.get(parsed.instanceId) };
}

const FINAL: ReadonlySet<string> = new Set(['Success', 'Failed', 'TimedOut', 'Cancelled']);

function parseReply(text: string): Reply {
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
