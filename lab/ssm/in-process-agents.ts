import type { AgentRegistry, AgentReport } from './agent-registry';
import { applyReply } from './commands';
import { type AgentMessage, type DocumentStatus, parseCommandMessageId, type StepResult } from './messages';
import type { RunCommandParts } from './send-command';

/** Agents that live in this process and so need no connection, one object for thousands: paper instances. */
export interface InProcessAgents {
  /** The instance's messages go to `receive` from now on, those that wait already too. */
  register(instanceId: string, accountId: string, report: AgentReport, receive: (message: AgentMessage) => void): void;
  /** The agent falls silent; what is sent to it waits. */
  unregister(instanceId: string): void;
  acknowledge(messageId: string): void;
  reply(messageId: string, status: DocumentStatus, steps: Record<string, StepResult> | null): void;
}

export function inProcessAgents(parts: RunCommandParts, agents: AgentRegistry): InProcessAgents {
  const update = (messageId: string, status: DocumentStatus, steps: Record<string, StepResult> | null): void => {
    const { commandId = '', instanceId = '' } = parseCommandMessageId(messageId) ?? {};
    const command = parts.commands.record(commandId);
    const invocation = command?.invocations.get(instanceId);
    if (command === undefined || invocation === undefined) return;
    applyReply(invocation, status, steps, '');
    parts.flow.touch(command);
  };
  return {
    register(instanceId, accountId, report, receive) {
      agents.seen(instanceId, accountId, report);
      agents.setInProcess(instanceId, true);
      parts.queue.setReceiver(instanceId, receive);
    },
    unregister(instanceId) {
      agents.setInProcess(instanceId, false);
      parts.queue.setReceiver(instanceId, undefined);
    },
    acknowledge(messageId) {
      parts.queue.remove(messageId);
      update(messageId, 'InProgress', null);
    },
    reply: update,
  };
}
