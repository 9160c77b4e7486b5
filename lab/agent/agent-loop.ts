import { createHash } from 'node:crypto';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AgentMessage,
  type CancelCommandPayload,
  outputKeyPrefix,
  outputStep,
  parseCommandMessageId,
  type SendCommandPayload,
  type StepResult,
} from '../ssm/messages';
import { RefusedParameter, runDocument } from './document-run';
import type { Executor } from './executor';
import { type MessageClient, Superseded } from './message-client';
import { Outbox } from './outbox';
import { StepOutput } from './step-output';
import type { StepContext } from './steps';

/** amazon-ssm-agent tells about itself when it starts and then every five minutes. */
const REGISTER_EVERY_MS = 300_000;
const AFTER_FAILURE_MS = 2_000;

export interface AgentIdentity {
  instanceId: string;
  region: string;
}

export interface AgentOptions {
  identity: AgentIdentity;
  client: MessageClient;
  executor: Executor;
  /** Where the output of steps is kept that goes to S3. */
  folder: string;
  log: (line: string) => void;
}

/** Takes messages and runs their documents, several at a time. */
export class Agent {
  private readonly running = new Map<string, AbortController>();

  constructor(private readonly options: AgentOptions) {}

  /** Resolves when a newer agent of the instance has taken over and what runs here has ended and been told. */
  async work(): Promise<void> {
    const registration = setInterval(() => {
      this.register().catch((error: unknown) => this.options.log(`Registration: ${String(error)}`));
    }, REGISTER_EVERY_MS);
    try {
      await this.untilItWorks('Registration', () => this.register());
      for (;;) {
        for (const message of await this.untilItWorks('Poll', () => this.options.client.messages())) this.take(message);
      }
    } catch (error) {
      if (!(error instanceof Superseded)) throw error;
      this.options.log('A newer agent serves this instance: this one takes no more commands');
      while (this.running.size > 0) await sleep(200);
    } finally {
      clearInterval(registration);
    }
  }

  private async register(): Promise<void> {
    await this.options.client.register(await this.options.executor.platform());
  }

  /** @throws Superseded */
  private async untilItWorks<Value>(what: string, attempt: () => Promise<Value>): Promise<Value> {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (error instanceof Superseded) throw error;
        this.options.log(`${what}: ${String(error)}`);
        await sleep(AFTER_FAILURE_MS);
      }
    }
  }

  private take(message: AgentMessage): void {
    this.accept(message).catch((error: unknown) => this.options.log(`${message.MessageId}: ${String(error)}`));
  }

  private async accept(message: AgentMessage): Promise<void> {
    const { client } = this.options;
    if (createHash('sha256').update(message.Payload).digest('hex') !== message.PayloadDigest) {
      await client.fail(message.MessageId, 'InternalHandlerException');
      return;
    }
    // Not acknowledged, a message comes again, and nothing has been done of it.
    await client.acknowledge(message.MessageId);
    if (message.Topic.startsWith('aws.ssm.cancelCommand.')) {
      const { CancelMessageId } = JSON.parse(message.Payload) as CancelCommandPayload;
      const commandId = parseCommandMessageId(CancelMessageId)?.commandId;
      if (commandId !== undefined) this.running.get(commandId)?.abort();
      return;
    }
    const payload = JSON.parse(message.Payload) as SendCommandPayload;
    // The message may come a second time when the acknowledgement was late.
    if (this.running.has(payload.CommandId)) return;
    await this.execute(message.MessageId, payload);
  }

  private async execute(messageId: string, payload: SendCommandPayload): Promise<void> {
    const { client, log } = this.options;
    const stop = new AbortController();
    this.running.set(payload.CommandId, stop);
    const outbox = new Outbox({ log });
    try {
      outbox.add(() => client.reply(messageId, 'InProgress', null));
      const report = (stepName: string, result: StepResult): void =>
        outbox.add(() => client.reply(messageId, 'InProgress', { [stepName]: result }));
      const context = await this.stepContext(payload, stop.signal);
      const status = await runDocument(payload.DocumentContent, payload.Parameters, context, report);
      outbox.add(() => client.reply(messageId, status, null));
    } catch (error) {
      // A refused parameter is the document's answer; anything else is a fault of the place where scripts run.
      if (!(error instanceof RefusedParameter)) log(`Command ${payload.CommandId}: ${String(error)}`);
      const trace = error instanceof Error ? error.message : String(error);
      outbox.add(() => client.reply(messageId, 'Failed', null, trace));
    }
    outbox.add(() => client.remove(messageId));
    await outbox.emptied();
    this.running.delete(payload.CommandId);
  }

  private async stepContext(payload: SendCommandPayload, stop: AbortSignal): Promise<StepContext> {
    const { executor, identity } = this.options;
    const platform = await executor.platform();
    return {
      executor,
      commandId: payload.CommandId,
      stop,
      environment: {
        AWS_SSM_INSTANCE_ID: identity.instanceId,
        AWS_SSM_REGION_NAME: identity.region,
        AWS_SSM_PLATFORM_NAME: platform.name,
        AWS_SSM_PLATFORM_VERSION: platform.version,
        SSM_COMMAND_ID: payload.CommandId,
      },
      ...(payload.OutputS3BucketName !== '' && { output: this.outputOf(payload) }),
    };
  }

  /** Where the steps of a command with an output bucket put all that they write. */
  private outputOf(payload: SendCommandPayload): NonNullable<StepContext['output']> {
    const { client, folder, identity, log } = this.options;
    return {
      open: (stepName) => StepOutput.create(path.join(folder, payload.CommandId, stepName)),
      store: async (action, stepName, output) => {
        const step = outputStep(action, stepName);
        try {
          const files = await output.close();
          await client.upload(payload.CommandId, step, 'stdout', files.stdout);
          await client.upload(payload.CommandId, step, 'stderr', files.stderr);
        } catch (error) {
          // As with the real agent, an output that cannot be stored does not make the command fail.
          log(`Output of ${payload.CommandId} ${stepName}: ${String(error)}`);
          return undefined;
        }
        const { OutputS3KeyPrefix: prefix, OutputS3BucketName: bucket, CommandId } = payload;
        return { bucket, keyPrefix: outputKeyPrefix(prefix, CommandId, identity.instanceId, step.plugin) };
      },
    };
  }
}
