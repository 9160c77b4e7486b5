import { isError, overallStatus } from './command-status';
import { type Command, type Invocation, isFinished } from './commands';
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
    InstanceIds: command.instanceIds,
    Targets: command.targets.map(({ key, values }) => ({ Key: key, Values: values })),
    RequestedDateTime: seconds(command.requestedAt),
    Status: status,
    StatusDetails: details,
    OutputS3BucketName: command.output?.bucket ?? '',
    OutputS3KeyPrefix: command.output?.prefix ?? '',
    MaxConcurrency: command.maxConcurrency,
    MaxErrors: command.maxErrors,
    TimeoutSeconds: command.timeoutSeconds,
    ServiceRole: command.serviceRole,
    NotificationConfig: notificationView(command),
    TargetCount: invocations.length,
    CompletedCount: invocations.filter((invocation) => isFinished(invocation.status)).length,
    ErrorCount: invocations.filter(isError).length,
    DeliveryTimedOutCount: invocations.filter((invocation) => invocation.statusDetails === 'DeliveryTimedOut').length,
  };
}

/** `CommandInvocation` of ListCommandInvocations. */
export function invocationView(command: Command, invocation: Invocation, withSteps: boolean): JsonObject {
  const [only, ...others] = command.content.mainSteps;
  const onlyStep = others.length === 0 ? invocation.steps.get(only?.name ?? '') : undefined;
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
    StandardOutputUrl: outputUrl(command, only?.name, onlyStep, 'stdout'),
    StandardErrorUrl: outputUrl(command, only?.name, onlyStep, 'stderr'),
    ServiceRole: command.serviceRole,
    NotificationConfig: notificationView(command),
    CommandPlugins: withSteps ? [...invocation.steps].map(([name, step]) => pluginView(command, name, step)) : [],
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
    StandardOutputUrl: outputUrl(command, stepName, step, 'stdout'),
    StandardErrorContent: textOr(step?.standardError, invocation.trace).slice(0, STDERR_CHARACTERS),
    StandardErrorUrl: outputUrl(command, stepName, step, 'stderr'),
  };
}

function pluginView(command: Command, name: string, step: StepResult): JsonObject {
  return {
    Name: name,
    Status: pluginStatus(step.status),
    StatusDetails: step.status,
    ResponseCode: step.code,
    ResponseStartDateTime: seconds(Date.parse(step.startDateTime)),
    ResponseFinishDateTime: seconds(Date.parse(step.endDateTime)),
    Output: step.output.slice(0, PLUGIN_OUTPUT_CHARACTERS),
    StandardOutputUrl: outputUrl(command, name, step, 'stdout'),
    StandardErrorUrl: outputUrl(command, name, step, 'stderr'),
    OutputS3Region: command.output === undefined ? '' : command.region,
    OutputS3BucketName: step.outputS3BucketName,
    OutputS3KeyPrefix: step.outputS3KeyPrefix,
  };
}

/** Where the agent put a step's output; empty when it put none. */
function outputUrl(
  command: Command,
  stepName: string | undefined,
  step: StepResult | undefined,
  stream: 'stdout' | 'stderr',
): string {
  if (stepName === undefined || step === undefined || step.outputS3BucketName === '') return '';
  const { outputS3BucketName, outputS3KeyPrefix } = step;
  return `https://s3.${command.region}.amazonaws.com/${outputS3BucketName}/${outputS3KeyPrefix}/${stepName}/${stream}`;
}

function notificationView({ notification }: Command): JsonObject {
  if (notification === undefined) return {};
  const { topicArn, events, type } = notification;
  return { NotificationArn: topicArn, NotificationEvents: events, NotificationType: type };
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
