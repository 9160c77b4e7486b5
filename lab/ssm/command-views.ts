import { type Command, type Invocation, isFinished, overallStatus } from './commands';
import type { StepResult, StepStatus } from './messages';
import type { JsonObject } from './request';

/** Cuts of the API: GetCommandInvocation, StandardOutputContent and StandardErrorContent; CommandPlugin, Output. */
const STDOUT_CHARACTERS = 24_000;
const STDERR_CHARACTERS = 8_000;
const PLUGIN_OUTPUT_CHARACTERS = 2_500;

/** AWS JSON 1.1 carries times as seconds. */
export function seconds(milliseconds: number): number {
  return milliseconds / 1000;
}

/** `Command` of SendCommand and ListCommands. */
export function commandView(command: Command): JsonObject {
  const invocations = [...command.invocations.values()];
  const { status, details } = overallStatus(command);
  return {
    CommandId: command.id,
    DocumentName: command.documentName,
    DocumentVersion: command.documentVersion,
    Comment: command.comment,
    ExpiresAfter: seconds(command.expiresAt),
    Parameters: command.parameters,
    InstanceIds: [...command.invocations.keys()],
    Targets: [],
    RequestedDateTime: seconds(command.requestedAt),
    Status: status,
    StatusDetails: details,
    OutputS3BucketName: '',
    OutputS3KeyPrefix: '',
    MaxConcurrency: command.maxConcurrency,
    MaxErrors: command.maxErrors,
    TimeoutSeconds: command.timeoutSeconds,
    TargetCount: invocations.length,
    CompletedCount: invocations.filter((invocation) => isFinished(invocation.status)).length,
    ErrorCount: invocations.filter((invocation) => invocation.status === 'Failed').length,
    DeliveryTimedOutCount: invocations.filter((invocation) => invocation.statusDetails === 'DeliveryTimedOut').length,
  };
}

/** `CommandInvocation` of ListCommandInvocations. */
export function invocationView(command: Command, invocation: Invocation, withSteps: boolean): JsonObject {
  return {
    CommandId: command.id,
    InstanceId: invocation.instanceId,
    InstanceName: '',
    Comment: command.comment,
    DocumentName: command.documentName,
    DocumentVersion: command.documentVersion,
    RequestedDateTime: seconds(command.requestedAt),
    Status: invocation.status,
    StatusDetails: invocation.statusDetails,
    TraceOutput: invocation.trace,
    CommandPlugins: withSteps ? [...invocation.steps].map(([name, step]) => pluginView(name, step)) : [],
  };
}

/**
 * The answer of GetCommandInvocation.
 *
 * With one step in the document the step need not be named. With several the API asks for PluginName; without it this
 * server tells the invocation's status and no output.
 */
export function invocationDetail(command: Command, invocation: Invocation, pluginName: string | undefined): JsonObject {
  const [first, ...others] = command.content.mainSteps;
  const stepName = pluginName ?? (others.length === 0 ? (first?.name ?? '') : '');
  const step = invocation.steps.get(stepName);
  const ofStep = pluginName !== undefined && step !== undefined;
  return {
    CommandId: command.id,
    InstanceId: invocation.instanceId,
    Comment: command.comment,
    DocumentName: command.documentName,
    DocumentVersion: command.documentVersion,
    PluginName: stepName,
    ResponseCode: step?.code ?? -1,
    ExecutionStartDateTime: step?.startDateTime ?? '',
    ExecutionElapsedTime: step === undefined ? '' : elapsed(step),
    ExecutionEndDateTime: step?.endDateTime ?? '',
    Status: ofStep ? pluginStatus(step.status) : invocation.status,
    StatusDetails: ofStep ? step.status : invocation.statusDetails,
    StandardOutputContent: (step?.standardOutput ?? '').slice(0, STDOUT_CHARACTERS),
    StandardOutputUrl: '',
    StandardErrorContent: textOr(step?.standardError, invocation.trace).slice(0, STDERR_CHARACTERS),
    StandardErrorUrl: '',
  };
}

function pluginView(name: string, step: StepResult): JsonObject {
  return {
    Name: name,
    Status: pluginStatus(step.status),
    StatusDetails: step.status,
    ResponseCode: step.code,
    ResponseStartDateTime: seconds(Date.parse(step.startDateTime)),
    ResponseFinishDateTime: seconds(Date.parse(step.endDateTime)),
    Output: step.output.slice(0, PLUGIN_OUTPUT_CHARACTERS),
  };
}

/** The API's Status knows neither Skipped nor SuccessAndReboot; StatusDetails does. */
function pluginStatus(status: StepStatus): string {
  return status === 'Skipped' || status === 'SuccessAndReboot' ? 'Success' : status;
}

function textOr(text: string | undefined, fallback: string): string {
  return text === undefined || text === '' ? fallback : text;
}

function elapsed(step: StepResult): string {
  const milliseconds = Date.parse(step.endDateTime) - Date.parse(step.startDateTime);
  return Number.isNaN(milliseconds) ? '' : `PT${(milliseconds / 1000).toFixed(3)}S`;
}
