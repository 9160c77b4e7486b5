import type { DocumentContent } from './documents';

/** Target prefix of the agents' message service, `ec2messages` (as amazon-ssm-agent 3.3 calls it). */
export const MESSAGE_SERVICE = 'EC2WindowsMessageDeliveryService';
/** Target prefix of the SSM API. */
export const SSM_SERVICE = 'AmazonSSM';

/** Header by which the lab's agent names its process: `<milliseconds since the epoch>.<uuid>`. */
export const AGENT_SESSION_HEADER = 'x-lab-agent-session';
/** Error code for an agent that a newer one of the same instance has replaced. */
export const AGENT_SUPERSEDED = 'AgentSuperseded';

/** Where an agent puts the whole output of a step, for the server to store: a PUT of the bytes. */
export function outputPath(
  commandId: string,
  instanceId: string,
  step: OutputStep,
  stream: 'stdout' | 'stderr',
): string {
  return ['', 'agent-output', commandId, instanceId, step.plugin, step.name, stream].map(encodeURIComponent).join('/');
}

/** A step's folder in the output bucket: the plugin without its colon, then the step's own name. */
export interface OutputStep {
  plugin: string;
  name: string;
}

export function outputStep(action: string, name: string): OutputStep {
  return { plugin: action.replaceAll(':', ''), name };
}

/** `<prefix>/<command id>/<instance id>/<plugin>`, as the real agent reports it (outputS3KeyPrefix of a step). */
export function outputKeyPrefix(prefix: string, commandId: string, instanceId: string, plugin: string): string {
  return [prefix, commandId, instanceId, plugin].filter((part) => part !== '').join('/');
}

export type StepStatus = 'Success' | 'SuccessAndReboot' | 'Failed' | 'TimedOut' | 'Cancelled' | 'Skipped';

/** What the agent reports about a step (`runtimeStatus` of a reply). */
export interface StepResult {
  status: StepStatus;
  code: number;
  /** The action, such as aws:runShellScript. */
  name: string;
  output: string;
  /** ISO 8601. */
  startDateTime: string;
  endDateTime: string;
  standardOutput: string;
  standardError: string;
  outputS3BucketName: string;
  outputS3KeyPrefix: string;
  stepName: string;
}

export type DocumentStatus = 'InProgress' | 'Success' | 'Failed' | 'TimedOut' | 'Cancelled';

/** `Payload` of SendReply. */
export interface ReplyPayload {
  additionalInfo: {
    agent: { lang: string; name: string; os: string; osver: string; ver: string };
    dateTime: string;
    runId: string;
    runtimeStatusCounts: null;
  };
  documentStatus: DocumentStatus;
  documentTraceOutput: string;
  runtimeStatus: Record<string, StepResult> | null;
}

/** `Payload` of a message with topic aws.ssm.sendCommand.<region>.<document>. */
export interface SendCommandPayload {
  Parameters: Record<string, unknown>;
  DocumentContent: DocumentContent;
  CommandId: string;
  DocumentName: string;
  OutputS3KeyPrefix: string;
  OutputS3BucketName: string;
  CloudWatchLogGroupName: string;
  CloudWatchOutputEnabled: string;
}

/** `Payload` of a message with topic aws.ssm.cancelCommand.<region>.<document>. */
export interface CancelCommandPayload {
  CancelMessageId: string;
}

/** One message of GetMessages. */
export interface AgentMessage {
  CreatedDate: string;
  Destination: string;
  MessageId: string;
  /** JSON text. */
  Payload: string;
  /** SHA-256 of Payload, hexadecimal. */
  PayloadDigest: string;
  Topic: string;
}

export function commandMessageId(commandId: string, instanceId: string): string {
  return `aws.ssm.${commandId}.${instanceId}`;
}

/** The command and the instance of a command's message id; undefined for any other message. */
export function parseCommandMessageId(messageId: string): { commandId: string; instanceId: string } | undefined {
  const [commandId, instanceId] = /^aws\.ssm\.([^.]+)\.([^.]+)$/.exec(messageId)?.slice(1) ?? [];
  return commandId !== undefined && instanceId !== undefined ? { commandId, instanceId } : undefined;
}
