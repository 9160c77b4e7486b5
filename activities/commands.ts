import { activityInfo, sleep } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { type Command, paginateListCommands, SendCommandCommand } from '@aws-sdk/client-ssm';
import type { AccountClients } from './aws/clients';
import { attempt, awsStep } from './aws/errors';
import { maskUrls } from './command-output';
import type { PublishedDocument } from './config';
import type { StartedCommand } from './types';

/**
 * Everything that a document of ours may be told. A parameter stands in SSM's command history and in the instance's own
 * files, so there is room for exactly one secret: the pre-signed GET of the manifest, which dies within minutes.
 */
export interface DocumentParameters {
  ManifestUrl?: string;
  CaseId: string;
  ExhibitId?: string;
  VolumeId?: string;
  /** Comma-separated. */
  Plugins?: string;
  /** Comma-separated, or `none`. */
  TcpCanaries?: string;
  DnsCanaries?: string;
  IcmpCanaries?: string;
}

/** What a value may look like. A document substitutes it into a script, so nothing that a shell would act on passes. */
const PARAMETER_PATTERNS: Record<keyof DocumentParameters, RegExp> = {
  ManifestUrl: /^https?:\/\/[A-Za-z0-9.:[\]-]+\/[A-Za-z0-9/._~%?&=+-]+$/,
  CaseId: /^[A-Za-z0-9-]{1,80}$/,
  ExhibitId: /^[A-Za-z0-9-]{1,80}$/,
  VolumeId: /^vol-[0-9a-f]{8,17}$/,
  Plugins: /^[A-Za-z0-9_.,]{1,2000}$/,
  TcpCanaries: /^[A-Fa-f0-9.:,[\]]{1,600}$|^none$/,
  DnsCanaries: /^[A-Za-z0-9.,-]{1,2100}$/,
  IcmpCanaries: /^[A-Fa-f0-9.:,]{1,400}$|^none$/,
};

/** Run Command's own limits, in seconds. Source: SSM API Reference, SendCommand and aws:runShellScript. */
const LONGEST_EXECUTION = 172_800;
const SHORTEST_EXECUTION = 5;
/** How long the agent may take to fetch the command; a healthy one does at once. AWS allows 30 seconds or more. */
export const DELIVERY_TIMEOUT_SECONDS = 300;

/** SendCommand's Comment holds at most so many characters. */
const COMMENT_LIMIT = 100;

/** After an attempt that may have sent a command: how long SSM may take to list it. */
const SETTLE_MS = 3_000;

export interface CommandToSend {
  clients: Pick<AccountClients, 'ssm' | 'ssmWithoutRetries'>;
  /** Same for every attempt of the same step, at most 100 characters; travels in the command's Comment. */
  operation: string;
  instanceId: string;
  document: PublishedDocument;
  /** `arn` names the document from another account, `name` from the account that owns it. */
  documentNamedBy: 'arn' | 'name';
  /** Seconds that the script may run; outlives no retention of the command's history (30 days). */
  deadlineSeconds: number;
  /** Seconds in which the agent has to fetch it, 30 or more. */
  deliverySeconds?: number;
  /** Called only when the command was not sent yet: it publishes bearer URLs. */
  parameters: () => Promise<DocumentParameters>;
}

/**
 * Sends a document to one instance exactly once. SendCommand takes no client token, so the operation stands in the
 * Comment and an earlier attempt's command is looked for first. Version and hash of the document are pinned.
 *
 * @throws ApplicationFailure `InvalidRequest` for a parameter that no document declares or whose value is out of form.
 */
export async function sendCommandOnce(send: CommandToSend): Promise<StartedCommand> {
  const { operation, instanceId, document } = send;
  if (operation.length > COMMENT_LIMIT) {
    throw ApplicationFailure.nonRetryable(
      `operation ${operation} has ${operation.length} characters; a command's comment holds ${COMMENT_LIMIT}`,
      'InvalidRequest',
    );
  }
  let earlier = await findCommand(send);
  if (!earlier && attempt() > 1) {
    await sleep(SETTLE_MS);
    earlier = await findCommand(send);
  }
  if (earlier) return startedCommand(earlier, instanceId, document);

  const parameters = await send.parameters();
  checkParameters(document.name, parameters);
  const seconds = Math.min(LONGEST_EXECUTION, Math.max(SHORTEST_EXECUTION, Math.ceil(send.deadlineSeconds)));
  const command = await awsStep(`sending document ${document.name} to ${instanceId}`, async (options) => {
    try {
      const { Command: sent } = await send.clients.ssmWithoutRetries.send(
        new SendCommandCommand({
          DocumentName: document[send.documentNamedBy],
          DocumentVersion: document.version,
          DocumentHash: document.sha256,
          DocumentHashType: 'Sha256',
          InstanceIds: [instanceId],
          Comment: operation,
          TimeoutSeconds: send.deliverySeconds ?? DELIVERY_TIMEOUT_SECONDS,
          Parameters: {
            ...Object.fromEntries(Object.entries(parameters).map(([name, value]: [string, string]) => [name, [value]])),
            ExecutionTimeout: [String(seconds)],
          },
        }),
        options,
      );
      return sent;
    } catch (error) {
      // SSM quotes the value that it does not like.
      if (error instanceof Error) error.message = maskUrls(error.message);
      throw error;
    }
  });
  return startedCommand(command ?? {}, instanceId, document);
}

/** The command that carries the operation, if an attempt sent one; the newest when there are several. */
export async function findCommand(
  search: Pick<CommandToSend, 'clients' | 'operation' | 'instanceId' | 'deadlineSeconds'>,
): Promise<Command | undefined> {
  // A command older than its own deadline cannot be of use any more, even to a workflow that was reset.
  const since = activityInfo().scheduledTimestampMs - (search.deadlineSeconds + 3600) * 1000;
  return awsStep(`looking for command ${search.operation} on ${search.instanceId}`, async (options) => {
    const pages = paginateListCommands(
      { client: search.clients.ssm, pageSize: 50 },
      {
        InstanceId: search.instanceId,
        Filters: [{ key: 'InvokedAfter', value: new Date(since).toISOString().replace(/\.\d+Z$/, 'Z') }],
      },
      options,
    );
    for await (const { Commands: commands } of pages) {
      const found = commands?.find((command) => command.Comment === search.operation);
      if (found) return found;
    }
    return undefined;
  });
}

function startedCommand(command: Command, instanceId: string, document: PublishedDocument): StartedCommand {
  if (command.CommandId === undefined) {
    throw ApplicationFailure.nonRetryable(
      `SSM answered without a command id for ${document.name} on ${instanceId}`,
      'InvalidRequest',
    );
  }
  return {
    commandId: command.CommandId,
    instanceId,
    document: { name: document.name, version: document.version, sha256: document.sha256 },
    startedAt: (command.RequestedDateTime ?? new Date()).toISOString(),
  };
}

/** The value of a parameter is never put into a message: one of them is a secret. */
export function checkParameters(documentName: string, parameters: DocumentParameters): void {
  for (const [name, value] of Object.entries(parameters) as [string, unknown][]) {
    const pattern = Object.hasOwn(PARAMETER_PATTERNS, name)
      ? PARAMETER_PATTERNS[name as keyof DocumentParameters]
      : undefined;
    if (!pattern) {
      throw ApplicationFailure.nonRetryable(`document ${documentName} declares no parameter ${name}`, 'InvalidRequest');
    }
    if (typeof value !== 'string' || !pattern.test(value)) {
      throw ApplicationFailure.nonRetryable(
        `parameter ${name} of document ${documentName} is not of the form ${pattern.source}: nothing was sent`,
        'InvalidRequest',
      );
    }
  }
}
