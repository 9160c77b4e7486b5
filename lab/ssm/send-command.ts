import { randomUUID } from 'node:crypto';
import type { AgentRegistry } from './agent-registry';
import { AwsError, invalidRequest } from './aws-error';
import { commandView } from './command-views';
import type { Command, CommandStore } from './commands';
import { executionTimeoutSeconds } from './documents';
import type { EmulatorLink, StoredDocument } from './emulator-link';
import { managedDocument } from './managed-documents';
import { commandMessageId, type SendCommandPayload } from './messages';
import type { MessageQueue } from './message-queue';
import { checkParameters } from './parameters';
import type { JsonObject, RequestBody } from './request';

export interface Caller {
  accountId: string;
  region: string;
}

export interface RunCommandParts {
  emulator: EmulatorLink;
  agents: AgentRegistry;
  commands: CommandStore;
  queue: MessageQueue;
  clock: () => number;
}

const MOST_INSTANCES = 50;
const DEFAULT_TIMEOUT_SECONDS = 3600;
/** Members that this server does not act on: refused, since ignoring them would look like doing them. */
const NOT_TAKEN = [
  'Targets',
  'OutputS3BucketName',
  'NotificationConfig',
  'CloudWatchOutputConfig',
  'AlarmConfiguration',
];

/**
 * SendCommand. MaxConcurrency and MaxErrors are reported back only: all instances get the command at once, which is
 * what AWS's default of 50 does for the at most 50 instances of a call.
 * @param commandId the id that the emulator gave the command when it let the call pass.
 */
export async function sendCommand(
  parts: RunCommandParts,
  caller: Caller,
  body: RequestBody,
  commandId: string = randomUUID(),
): Promise<JsonObject> {
  for (const member of NOT_TAKEN) {
    if (body.has(member)) throw invalidRequest(`${member}: the lab's Run Command takes InstanceIds only, without it.`);
  }
  const timeoutSeconds = body.optionalInteger('TimeoutSeconds', 30, 2_592_000) ?? DEFAULT_TIMEOUT_SECONDS;
  const comment = body.optionalText('Comment') ?? '';
  if (comment.length > 100) throw invalidRequest('Comment is longer than 100 characters.');
  const instanceIds = requestedInstances(body);
  const documentName = body.text('DocumentName');
  const document = await usableDocument(parts.emulator, caller, documentName, body.optionalText('DocumentVersion'));
  checkHash(document, documentName, body);
  const given = body.textLists('Parameters');
  const parameters = checkParameters(document.content, given);
  await checkInstances(parts.agents, caller, instanceIds);

  const now = parts.clock();
  const deliveryExpiresAt = now + timeoutSeconds * 1000;
  const command: Command = {
    id: commandId,
    accountId: caller.accountId,
    region: caller.region,
    documentName,
    documentVersion: document.version,
    content: document.content,
    parameters: given,
    comment,
    maxConcurrency: body.optionalText('MaxConcurrency') ?? '50',
    maxErrors: body.optionalText('MaxErrors') ?? '0',
    timeoutSeconds,
    requestedAt: now,
    deliveryExpiresAt,
    expiresAt: deliveryExpiresAt + executionTimeoutSeconds(document.content, parameters) * 1000,
    invocations: new Map(
      instanceIds.map((instanceId) => [
        instanceId,
        { instanceId, status: 'Pending', statusDetails: 'Pending', steps: new Map(), trace: '' },
      ]),
    ),
  };
  parts.commands.add(command);
  const answer = { Command: commandView(command) };
  for (const instanceId of instanceIds) deliver(parts.queue, command, instanceId, parameters);
  return answer;
}

function deliver(queue: MessageQueue, command: Command, instanceId: string, parameters: Record<string, unknown>): void {
  const payload: SendCommandPayload = {
    Parameters: parameters,
    DocumentContent: command.content,
    CommandId: command.id,
    DocumentName: command.documentName,
    OutputS3KeyPrefix: '',
    OutputS3BucketName: '',
    CloudWatchLogGroupName: '',
    CloudWatchOutputEnabled: 'false',
  };
  const topic = `aws.ssm.sendCommand.${command.region}.${command.documentName}`;
  queue.add(instanceId, commandMessageId(command.id, instanceId), topic, payload, command.deliveryExpiresAt);
}

function requestedInstances(body: RequestBody): string[] {
  const instanceIds = body.texts('InstanceIds');
  if (instanceIds.length === 0) throw invalidRequest('InstanceIds is required.');
  if (instanceIds.length > MOST_INSTANCES) throw invalidRequest(`InstanceIds has more than ${MOST_INSTANCES} items.`);
  const twice = instanceIds.find((instanceId, position) => instanceIds.indexOf(instanceId) !== position);
  if (twice !== undefined) throw new AwsError('DuplicateInstanceId', `Duplicate instance id: ${twice}`);
  return instanceIds;
}

async function checkInstances(agents: AgentRegistry, caller: Caller, instanceIds: string[]): Promise<void> {
  const managed = new Set((await agents.nodesOf(caller.accountId)).map((node) => node.instanceId));
  const unusable = instanceIds.filter((instanceId) => !managed.has(instanceId));
  if (unusable.length > 0) {
    const list = unusable.join(', ');
    throw new AwsError(
      'InvalidInstanceId',
      `Instances [[${list}]] not in a valid state for account ${caller.accountId}`,
    );
  }
}

/**
 * The document by its name in the caller's account, or by its ARN in an account that shares it with the caller; the
 * emulator decides about the sharing.
 */
async function usableDocument(
  emulator: EmulatorLink,
  caller: Caller,
  name: string,
  version: string | undefined,
): Promise<StoredDocument> {
  const { accountId, region } = caller;
  const managed = managedDocument(name);
  if (managed !== undefined) return managed;
  const document = await emulator.document(accountId, region, name, version);
  if (document !== undefined) return document;
  const otherVersion = version === undefined ? undefined : await emulator.document(accountId, region, name, undefined);
  if (otherVersion !== undefined) {
    throw new AwsError('InvalidDocumentVersion', `Document ${name} has no version ${String(version)}.`);
  }
  throw new AwsError('InvalidDocument', `Document ${name} does not exist in your account.`);
}

/** DocumentHash lets a caller insist on the content it knows. Sha1, which AWS calls deprecated, is not taken. */
function checkHash(document: StoredDocument, name: string, body: RequestBody): void {
  const hash = body.optionalText('DocumentHash');
  if (hash === undefined) return;
  const type = body.optionalText('DocumentHashType') ?? 'Sha256';
  if (type !== 'Sha256') throw invalidRequest(`DocumentHashType ${type}: the lab's Run Command checks Sha256 only.`);
  if (document.sha256 === undefined) {
    throw new AwsError('InternalServerError', `The AWS emulator does not tell the SHA-256 of document ${name}`, 500);
  }
  if (hash.toLowerCase() !== document.sha256) {
    throw new AwsError('InvalidDocument', `The hash of document ${name} is not the one given in DocumentHash.`);
  }
}
