import { randomUUID } from 'node:crypto';
import type { AgentRegistry, ManagedNode } from './agent-registry';
import { AwsError, invalidRequest } from './aws-error';
import type { CommandFlow } from './command-flow';
import { commandView } from './command-views';
import { type Command, type CommandStore, newInvocation, type OutputPlace } from './commands';
import { executionTimeoutSeconds, supportedPlatforms } from './documents';
import type { EmulatorLink, StoredDocument } from './emulator-link';
import { managedDocument } from './managed-documents';
import type { MessageQueue } from './message-queue';
import { requestedNotification } from './notifications';
import { checkParameters } from './parameters';
import type { JsonObject, RequestBody } from './request';
import { matchingNodes, requestedInstances, requestedTargets } from './targets';

export interface Caller {
  accountId: string;
  region: string;
}

export interface RunCommandParts {
  emulator: EmulatorLink;
  agents: AgentRegistry;
  commands: CommandStore;
  flow: CommandFlow;
  queue: MessageQueue;
  clock: () => number;
}

const DEFAULT_TIMEOUT_SECONDS = 3600;
/** Members that this server does not act on: refused, since ignoring them would look like doing them. */
const NOT_TAKEN = ['CloudWatchOutputConfig', 'AlarmConfiguration'];
/** Patterns of the API model. */
const CONCURRENCY = /^([1-9][0-9]{0,6}|[1-9][0-9]%|[1-9]%|100%)$/;
const ERRORS = /^([1-9][0-9]{0,6}|0|[1-9][0-9]%|[0-9]%|100%)$/;
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const LONGEST_PREFIX = 500;

/**
 * SendCommand. Targets are looked up after the answer, as on AWS: until then the command has none.
 * @param commandId the id that the emulator gave the command when it let the call pass.
 */
export async function sendCommand(
  parts: RunCommandParts,
  caller: Caller,
  body: RequestBody,
  commandId: string = randomUUID(),
): Promise<JsonObject> {
  for (const member of NOT_TAKEN) {
    if (body.has(member)) throw invalidRequest(`${member}: the lab's Run Command does not take it.`);
  }
  const timeoutSeconds = body.optionalInteger('TimeoutSeconds', 30, 2_592_000) ?? DEFAULT_TIMEOUT_SECONDS;
  const comment = body.optionalText('Comment') ?? '';
  if (comment.length > 100) throw invalidRequest('Comment is longer than 100 characters.');
  const instanceIds = requestedInstances(body);
  const targets = requestedTargets(body);
  if (instanceIds.length === 0 && targets.length === 0) throw invalidRequest('InstanceIds or Targets is required.');
  if (instanceIds.length > 0 && targets.length > 0) {
    throw invalidRequest('InstanceIds and Targets cannot be given together.');
  }
  const documentName = body.text('DocumentName');
  const document = await usableDocument(parts.emulator, caller, documentName, body.optionalText('DocumentVersion'));
  checkHash(document, documentName, body);
  const given = body.textLists('Parameters');
  const typedParameters = checkParameters(document.content, given);
  const notification = requestedNotification(body);
  const output = await outputPlace(parts.emulator, body);
  if (instanceIds.length > 0) await checkInstances(parts.agents, caller, instanceIds, document);

  const now = parts.clock();
  const executionSeconds = executionTimeoutSeconds(document.content, typedParameters);
  const command: Command = {
    id: commandId,
    accountId: caller.accountId,
    region: caller.region,
    documentName,
    documentVersion: document.version,
    content: document.content,
    parameters: given,
    typedParameters,
    comment,
    instanceIds,
    targets,
    targetsResolved: targets.length === 0,
    maxConcurrency: rate(body, 'MaxConcurrency', CONCURRENCY, '50'),
    maxErrors: rate(body, 'MaxErrors', ERRORS, '0'),
    timeoutSeconds,
    requestedAt: now,
    expiresAt: now + (timeoutSeconds + executionSeconds) * 1000,
    output,
    notification,
    serviceRole: body.optionalText('ServiceRoleArn') ?? '',
    invocations: new Map(instanceIds.map((instanceId) => [instanceId, newInvocation(instanceId)])),
  };
  parts.commands.add(command);
  const answer = { Command: commandView(command) };
  if (command.targetsResolved) parts.flow.start(command);
  else setImmediate(() => void resolveTargets(parts, caller, command, document));
  return answer;
}

/** A platform that the document does not support makes its node no target (StatusDetails InvalidPlatform is not kept). */
async function resolveTargets(
  parts: RunCommandParts,
  caller: Caller,
  command: Command,
  document: StoredDocument,
): Promise<void> {
  // What was launched or tagged just before the call counts. Without an answer of the emulator nobody can be found; the
  // next attempt may have one.
  parts.emulator.forgetInstances();
  const nodes = await parts.agents.nodesOf(caller.accountId, caller.region).catch(() => undefined);
  if (nodes === undefined) {
    setTimeout(() => void resolveTargets(parts, caller, command, document), 1000).unref();
    return;
  }
  for (const node of matchingNodes(nodes, command.targets)) {
    if (isSupported(document, node)) command.invocations.set(node.instanceId, newInvocation(node.instanceId));
  }
  command.targetsResolved = true;
  parts.flow.start(command);
}

function rate(body: RequestBody, name: string, pattern: RegExp, fallback: string): string {
  const value = body.optionalText(name) ?? fallback;
  if (pattern.test(value)) return value;
  throw invalidRequest(
    `Value '${value}' at '${name}' failed to satisfy constraint: Member must satisfy regular expression pattern: ${pattern.source}`,
  );
}

/** @throws AwsError InvalidOutputFolder, as AWS does for a bucket that is not there. */
async function outputPlace(emulator: EmulatorLink, body: RequestBody): Promise<OutputPlace | undefined> {
  const bucket = body.optionalText('OutputS3BucketName') ?? '';
  const prefix = (body.optionalText('OutputS3KeyPrefix') ?? '').replace(/^\/+|\/+$/g, '');
  if (prefix.length > LONGEST_PREFIX) throw invalidRequest(`OutputS3KeyPrefix is longer than ${LONGEST_PREFIX}.`);
  if (bucket === '') return undefined;
  if (!BUCKET.test(bucket)) throw invalidRequest(`OutputS3BucketName ${bucket} is not the name of a bucket.`);
  if (!(await emulator.hasBucket(bucket))) throw new AwsError('InvalidOutputFolder', 'The S3 bucket does not exist.');
  return { bucket, prefix };
}

async function checkInstances(
  agents: AgentRegistry,
  caller: Caller,
  instanceIds: string[],
  document: StoredDocument,
): Promise<void> {
  const nodes = await agents.nodesOf(caller.accountId, caller.region);
  const managed = new Map(nodes.map((node) => [node.instanceId, node]));
  const unusable = instanceIds.filter((instanceId) => !managed.has(instanceId));
  if (unusable.length > 0) {
    const list = unusable.join(', ');
    throw new AwsError(
      'InvalidInstanceId',
      `Instances [[${list}]] not in a valid state for account ${caller.accountId}`,
    );
  }
  const unsupported = instanceIds.filter((instanceId) => {
    const node = managed.get(instanceId);
    return node !== undefined && !isSupported(document, node);
  });
  if (unsupported.length > 0) {
    throw new AwsError(
      'UnsupportedPlatformType',
      `The document does not support the platform type of the instances [${unsupported.join(', ')}]`,
    );
  }
}

function isSupported(document: StoredDocument, node: ManagedNode): boolean {
  return supportedPlatforms(document.content).has(node.platformType ?? 'Linux');
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
  if (version !== undefined && !/^(\$LATEST|\$DEFAULT|[1-9][0-9]*)$/.test(version)) {
    throw invalidRequest(`Value '${version}' at 'documentVersion' failed to satisfy constraint.`);
  }
  const { accountId, region } = caller;
  const managed = managedDocument(name);
  if (managed !== undefined) {
    if (version === undefined || ['$LATEST', '$DEFAULT', managed.version].includes(version)) return managed;
    throw new AwsError('InvalidDocumentVersion', `Document ${name} has no version ${version}.`);
  }
  const document = await emulator.document(accountId, region, name, version);
  if (document !== undefined) return document;
  const otherVersion = version === undefined ? undefined : await emulator.document(accountId, region, name, undefined);
  if (otherVersion !== undefined) {
    throw new AwsError('InvalidDocumentVersion', `Document ${name} has no version ${String(version)}.`);
  }
  throw new AwsError('InvalidDocument', `Document ${name} does not exist in your account.`);
}

/** DocumentHash lets a caller insist on the content it knows. */
function checkHash(document: StoredDocument, name: string, body: RequestBody): void {
  const hash = body.optionalText('DocumentHash');
  if (hash === undefined) return;
  const type = body.optionalText('DocumentHashType') ?? 'Sha256';
  if (type !== 'Sha256' && type !== 'Sha1') throw invalidRequest(`DocumentHashType ${type} is not Sha256 or Sha1.`);
  const known = type === 'Sha256' ? document.sha256 : document.sha1;
  if (known === undefined) {
    throw new AwsError('InternalServerError', `The ${type} of document ${name} is not known to the lab`, 500);
  }
  if (hash.toLowerCase() !== known) {
    throw new AwsError('InvalidDocument', `The hash of document ${name} is not the one given in DocumentHash.`);
  }
}
