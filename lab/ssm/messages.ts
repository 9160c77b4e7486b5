import type { DocumentContent } from './documents';

/** Target prefix of the agents' message service, `ec2messages` (as amazon-ssm-agent 3.3 calls it). */
export const MESSAGE_SERVICE = 'EC2WindowsMessageDeliveryService';
/** Target prefix of the SSM API. */
export const SSM_SERVICE = 'AmazonSSM';

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
