import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AgentMessage,
  type DocumentStatus,
  MESSAGE_SERVICE,
  type ReplyPayload,
  SSM_SERVICE,
  type StepResult,
} from '../ssm/messages';

export const AGENT_NAME = 'lab-agent';
export const AGENT_VERSION = '0.1.0';

export interface MessageClientOptions {
  endpoint: string;
  instanceId: string;
  region: string;
  accessKeyId: string;
}

const CALL_WITHIN_MS = 40_000;
const RETRY_EVERY_MS = 2_000;
const RETRY_FOR_MS = 120_000;

/** The agent's calls to SSM and to `ec2messages` (AWS JSON 1.1). */
export class MessageClient {
  constructor(private readonly options: MessageClientOptions) {}

  async register(platform: { name: string; version: string; hostname: string; address: string }): Promise<void> {
    await this.call(SSM_SERVICE, 'UpdateInstanceInformation', {
      AgentName: AGENT_NAME,
      AgentVersion: AGENT_VERSION,
      AgentStatus: 'Active',
      InstanceId: this.options.instanceId,
      PlatformType: 'Linux',
      PlatformName: platform.name,
      PlatformVersion: platform.version,
      ComputerName: platform.hostname,
      IPAddress: platform.address,
    });
  }

  async messages(): Promise<AgentMessage[]> {
    const answer = (await this.call(MESSAGE_SERVICE, 'GetMessages', {
      Destination: this.options.instanceId,
      MessagesRequestId: randomUUID(),
      VisibilityTimeoutInSeconds: 10,
    })) as { Messages?: AgentMessage[] };
    return answer.Messages ?? [];
  }

  async acknowledge(messageId: string): Promise<void> {
    await this.call(MESSAGE_SERVICE, 'AcknowledgeMessage', { MessageId: messageId });
  }

  async fail(messageId: string, failureType: string): Promise<void> {
    await this.call(MESSAGE_SERVICE, 'FailMessage', { MessageId: messageId, FailureType: failureType });
  }

  async remove(messageId: string): Promise<void> {
    await this.call(MESSAGE_SERVICE, 'DeleteMessage', { MessageId: messageId });
  }

  /** Sends a reply, and again for two minutes if nobody takes it: a result must not be lost to a short outage. */
  async reply(
    messageId: string,
    documentStatus: DocumentStatus,
    steps: Record<string, StepResult> | null,
    trace = '',
  ): Promise<void> {
    const payload: ReplyPayload = {
      additionalInfo: {
        agent: { lang: 'en-US', name: AGENT_NAME, os: '', osver: '1', ver: AGENT_VERSION },
        dateTime: new Date().toISOString(),
        runId: '',
        runtimeStatusCounts: null,
      },
      documentStatus,
      documentTraceOutput: trace,
      runtimeStatus: steps,
    };
    const body = { MessageId: messageId, ReplyId: randomUUID(), Payload: JSON.stringify(payload) };
    const deadline = Date.now() + RETRY_FOR_MS;
    for (;;) {
      try {
        await this.call(MESSAGE_SERVICE, 'SendReply', body);
        return;
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await sleep(RETRY_EVERY_MS);
      }
    }
  }

  /**
   * The header names the access key, by which the lab's server knows the agent's account. It carries no signature:
   * the server does not check the agents' one.
   */
  private async call(service: string, operation: string, body: object): Promise<unknown> {
    const day = new Date().toISOString().slice(0, 10).replaceAll('-', '');
    const scope = `${this.options.accessKeyId}/${day}/${this.options.region}/ssm/aws4_request`;
    const response = await fetch(this.options.endpoint, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': `${service}.${operation}`,
        authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=none`,
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(CALL_WITHIN_MS),
    });
    if (!response.ok) throw new Error(`${operation}: status ${response.status}, ${await response.text()}`);
    return await response.json();
  }
}
