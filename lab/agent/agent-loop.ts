import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AgentMessage,
  type CancelCommandPayload,
  parseCommandMessageId,
  type SendCommandPayload,
} from '../ssm/messages';
import { RefusedParameter, runDocument } from './document-run';
import type { Executor } from './executor';
import type { MessageClient } from './message-client';

/** amazon-ssm-agent tells about itself when it starts and then every five minutes. */
const REGISTER_EVERY_MS = 300_000;
const AFTER_FAILURE_MS = 2_000;

export interface AgentIdentity {
  instanceId: string;
  region: string;
}

/** Takes messages and runs their documents, several at a time, for as long as the process lives. */
export class Agent {
  private readonly running = new Map<string, AbortController>();

  constructor(
    private readonly identity: AgentIdentity,
    private readonly client: MessageClient,
    private readonly executor: Executor,
    private readonly log: (line: string) => void,
  ) {}

  async work(): Promise<never> {
    await this.registerUntilDone();
    setInterval(() => {
      this.register().catch((error: unknown) => this.log(`Registration: ${String(error)}`));
    }, REGISTER_EVERY_MS);
    for (;;) {
      try {
        for (const message of await this.client.messages()) await this.take(message);
      } catch (error) {
        this.log(String(error));
        await sleep(AFTER_FAILURE_MS);
      }
    }
  }

  private async register(): Promise<void> {
    await this.client.register(await this.executor.platform());
  }

  private async registerUntilDone(): Promise<void> {
    for (;;) {
      try {
        await this.register();
        return;
      } catch (error) {
        this.log(`Registration: ${String(error)}`);
        await sleep(AFTER_FAILURE_MS);
      }
    }
  }

  private async take(message: AgentMessage): Promise<void> {
    if (createHash('sha256').update(message.Payload).digest('hex') !== message.PayloadDigest) {
      await this.client.fail(message.MessageId, 'InternalHandlerException');
      return;
    }
    await this.client.acknowledge(message.MessageId);
    if (message.Topic.startsWith('aws.ssm.cancelCommand.')) {
      const { CancelMessageId } = JSON.parse(message.Payload) as CancelCommandPayload;
      const commandId = parseCommandMessageId(CancelMessageId)?.commandId;
      if (commandId !== undefined) this.running.get(commandId)?.abort();
      return;
    }
    const payload = JSON.parse(message.Payload) as SendCommandPayload;
    // The message may come a second time when the acknowledgement was late.
    if (this.running.has(payload.CommandId)) return;
    this.execute(message.MessageId, payload).catch((error: unknown) => {
      this.log(`Command ${payload.CommandId}: ${String(error)}`);
    });
  }

  private async execute(messageId: string, payload: SendCommandPayload): Promise<void> {
    const stop = new AbortController();
    this.running.set(payload.CommandId, stop);
    try {
      await this.client.reply(messageId, 'InProgress', null);
      const platform = await this.executor.platform();
      const context = {
        executor: this.executor,
        commandId: payload.CommandId,
        stop: stop.signal,
        environment: {
          AWS_SSM_INSTANCE_ID: this.identity.instanceId,
          AWS_SSM_REGION_NAME: this.identity.region,
          AWS_SSM_PLATFORM_NAME: platform.name,
          AWS_SSM_PLATFORM_VERSION: platform.version,
          SSM_COMMAND_ID: payload.CommandId,
        },
      };
      const report = (stepName: string, result: Parameters<Parameters<typeof runDocument>[3]>[1]): Promise<void> =>
        this.client.reply(messageId, 'InProgress', { [stepName]: result });
      const status = await runDocument(payload.DocumentContent, payload.Parameters, context, report);
      await this.client.reply(messageId, status, null);
    } catch (error) {
      // A refused parameter is the document's answer; anything else is a fault of the place where scripts run.
      if (!(error instanceof RefusedParameter)) this.log(`Command ${payload.CommandId}: ${String(error)}`);
      await this.client.reply(messageId, 'Failed', null, error instanceof Error ? error.message : String(error));
    } finally {
      this.running.delete(payload.CommandId);
      await this.client.remove(messageId).catch((error: unknown) => this.log(String(error)));
    }
  }
}
