import { RefusedParameter, runDocument } from '../agent/document-run';
import type { DocumentContent } from '../ssm/documents';
import {
  type AgentMessage,
  type CancelCommandPayload,
  parseCommandMessageId,
  type SendCommandPayload,
  type StepResult,
} from '../ssm/messages';
import type { InProcessAgents } from '../ssm/server';
import { ScriptedExecutor } from './scripted-executor';
import type { ScriptedReplies } from './scripted-replies';

/** The agent of one paper instance: it follows a document's rules and runs none of its scripts. */
export class PaperAgent {
  private readonly running = new Map<string, AbortController>();

  constructor(
    private readonly instanceId: string,
    readonly scenario: string,
    private readonly replies: ScriptedReplies,
    private readonly server: InProcessAgents,
  ) {}

  async take({ MessageId, Payload, Topic }: AgentMessage): Promise<void> {
    if (Topic.startsWith('aws.ssm.cancelCommand.')) {
      this.server.acknowledge(MessageId);
      const cancelled = parseCommandMessageId((JSON.parse(Payload) as CancelCommandPayload).CancelMessageId);
      if (cancelled !== undefined) this.running.get(cancelled.commandId)?.abort();
      return;
    }
    const command = JSON.parse(Payload) as SendCommandPayload;
    const [first] = command.DocumentContent.mainSteps;
    const { agent } = this.replies.find(this.scenario, command.DocumentName, first?.name ?? '');
    if (agent === 'is-away') return;
    this.server.acknowledge(MessageId);
    if (agent === 'answers') await this.answer(MessageId, command);
  }

  /** Ends what is under way, as a power cut does: nothing is told. */
  stop(): void {
    for (const stop of this.running.values()) stop.abort();
    this.running.clear();
  }

  private async answer(messageId: string, command: SendCommandPayload): Promise<void> {
    const stop = new AbortController();
    this.running.set(command.CommandId, stop);
    const tell = (status: Parameters<InProcessAgents['reply']>[1], steps: Record<string, StepResult> | null): void => {
      if (this.running.get(command.CommandId) === stop) this.server.reply(messageId, status, steps);
    };
    try {
      const { instanceId } = this;
      const values = { ...command.Parameters, instanceId, commandId: command.CommandId };
      const replyTo = (stepName: string): ReturnType<ScriptedReplies['find']> =>
        this.replies.find(this.scenario, command.DocumentName, stepName);
      const context = {
        executor: new ScriptedExecutor(replyTo, values),
        commandId: command.CommandId,
        environment: {},
        stop: stop.signal,
      };
      const content = withoutActions(command.DocumentContent);
      tell(
        await runDocument(content, command.Parameters, context, (stepName, result) => {
          const action = command.DocumentContent.mainSteps.find(({ name }) => name === stepName)?.action;
          tell('InProgress', { [stepName]: { ...result, name: action ?? result.name } });
        }),
        null,
      );
    } catch (error) {
      if (!(error instanceof RefusedParameter)) throw error;
      tell('Failed', null);
    } finally {
      this.running.delete(command.CommandId);
    }
  }
}

/** Every step is one that the scripted executor ends, also those that would download something. */
function withoutActions(content: DocumentContent): DocumentContent {
  const mainSteps = content.mainSteps.map((step) => ({
    ...step,
    action: 'aws:runShellScript',
    inputs: { ...step.inputs, runCommand: [] },
  }));
  return { ...content, mainSteps };
}
