import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import http from 'node:http';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  AGENT_SESSION_HEADER,
  AGENT_SUPERSEDED,
  type AgentMessage,
  type DocumentStatus,
  MESSAGE_SERVICE,
  outputPath,
  type OutputStep,
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
  /** Names this process among several of one instance: the one that started last counts. Default: no name. */
  session?: { startedAt: number; id: string };
  /** A slow agent: each reply is held back so long. Default 0. */
  replyDelayMs?: number;
  /**
   * A poll that is silent so long was cut off, and a new connection may get through. Default 30_000: the server holds a
   * poll for 20 s.
   */
  pollWithinMs?: number;
}

/** Another agent of the same instance started later: this one is to end. */
export class Superseded extends Error {}

const POLL_WITHIN_MS = 30_000;
const CALL_WITHIN_MS = 10_000;
const CONNECT_WITHIN_MS = 5_000;
const UPLOAD_WITHIN_MS = 300_000;

/**
 * The agent's calls to SSM and to `ec2messages` (AWS JSON 1.1). Each has a connection of its own: one that an isolation
 * has cut is never taken up again.
 */
export class MessageClient {
  constructor(private readonly options: MessageClientOptions) {}

  /** @throws Superseded */
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

  /** @throws Superseded */
  async messages(): Promise<AgentMessage[]> {
    const poll = {
      Destination: this.options.instanceId,
      MessagesRequestId: randomUUID(),
      VisibilityTimeoutInSeconds: 10,
    };
    const answer = (await this.call(
      MESSAGE_SERVICE,
      'GetMessages',
      poll,
      this.options.pollWithinMs ?? POLL_WITHIN_MS,
    )) as {
      Messages?: AgentMessage[];
    };
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

  /** Sends a reply once. */
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
    if (this.options.replyDelayMs !== undefined) await sleep(this.options.replyDelayMs);
    const body = { MessageId: messageId, ReplyId: randomUUID(), Payload: JSON.stringify(payload) };
    await this.call(MESSAGE_SERVICE, 'SendReply', body);
  }

  /** Hands the whole output of a step, which lies in a file, to the server, which stores it. */
  async upload(commandId: string, step: OutputStep, stream: 'stdout' | 'stderr', file: string): Promise<void> {
    const { size } = await stat(file);
    await this.request({
      method: 'PUT',
      path: outputPath(commandId, this.options.instanceId, step, stream),
      headers: { 'content-length': size },
      body: createReadStream(file),
      withinMs: UPLOAD_WITHIN_MS,
      what: `${stream} of ${step.name}`,
    });
  }

  private async call(service: string, operation: string, body: object, withinMs = CALL_WITHIN_MS): Promise<unknown> {
    const text = await this.request({
      method: 'POST',
      path: '/',
      headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `${service}.${operation}` },
      body: JSON.stringify(body),
      withinMs,
      what: operation,
    });
    return JSON.parse(text) as unknown;
  }

  private request(call: {
    method: string;
    path: string;
    headers: http.OutgoingHttpHeaders;
    body: string | Readable;
    withinMs: number;
    what: string;
  }): Promise<string> {
    const { method, body, what } = call;
    return new Promise((resolve, reject) => {
      const request = http.request(new URL(call.path, this.options.endpoint), {
        method,
        headers: { ...call.headers, ...this.identity() },
        agent: false,
        signal: AbortSignal.timeout(call.withinMs),
      });
      const fail = (error: Error): void => {
        clearTimeout(connecting);
        reject(new Error(`${what}: ${error.message}`));
      };
      const noConnection = (): void => void request.destroy(new Error(`no connection in ${CONNECT_WITHIN_MS} ms`));
      const connecting = setTimeout(noConnection, CONNECT_WITHIN_MS);
      request.on('socket', (socket) => socket.once('connect', () => clearTimeout(connecting)));
      request.on('error', fail);
      request.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', fail);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          if (response.statusCode === 200) resolve(text);
          else if (text.includes(AGENT_SUPERSEDED)) reject(new Superseded(text));
          else reject(new Error(`${what}: status ${String(response.statusCode)}, ${text}`));
        });
      });
      if (typeof body === 'string') request.end(body);
      else body.on('error', (error) => request.destroy(error)).pipe(request);
    });
  }

  /**
   * The header names the access key, by which the lab's server knows the agent's account. It carries no signature: the
   * server does not check the agents' one.
   */
  private identity(): http.OutgoingHttpHeaders {
    const { accessKeyId, region, session } = this.options;
    const day = new Date().toISOString().slice(0, 10).replaceAll('-', '');
    const scope = `${accessKeyId}/${day}/${region}/ssm/aws4_request`;
    return {
      authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=none`,
      ...(session && { [AGENT_SESSION_HEADER]: `${session.startedAt}.${session.id}` }),
    };
  }
}
