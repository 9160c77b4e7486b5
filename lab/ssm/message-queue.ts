import { createHash } from 'node:crypto';
import type { AgentMessage } from './messages';

interface QueuedMessage {
  message: AgentMessage;
  /** Until then the message is with the agent and not given out again (milliseconds of the clock). */
  visibleAt: number;
  /** After that the message is no longer delivered. */
  expiresAt: number;
}

/** Messages to the agents, one queue an instance, with long polling. In memory only. */
export class MessageQueue {
  private readonly queues = new Map<string, QueuedMessage[]>();
  private readonly waiting = new Map<string, Set<() => void>>();

  constructor(private readonly clock: () => number) {}

  add(instanceId: string, messageId: string, topic: string, payload: object, expiresAt: number): void {
    const text = JSON.stringify(payload);
    const message: AgentMessage = {
      CreatedDate: new Date(this.clock()).toISOString(),
      Destination: instanceId,
      MessageId: messageId,
      Payload: text,
      PayloadDigest: createHash('sha256').update(text).digest('hex'),
      Topic: topic,
    };
    this.queues.set(instanceId, [...this.queueOf(instanceId), { message, visibleAt: 0, expiresAt }]);
    this.wake(instanceId);
  }

  /**
   * What waits for the instance. With nothing there, waits for a message up to `waitMs`, or until `gone` (the poll's
   * connection closed): a message must not go to a connection that nobody reads.
   */
  async take(instanceId: string, visibilityMs: number, waitMs: number, gone: AbortSignal): Promise<AgentMessage[]> {
    const first = this.takeNow(instanceId, visibilityMs);
    if (first.length > 0) return first;
    await this.somethingFor(instanceId, waitMs, gone);
    return gone.aborted ? [] : this.takeNow(instanceId, visibilityMs);
  }

  /** @returns whether the message still lay in a queue, taken or not. */
  remove(messageId: string): boolean {
    for (const [instanceId, queue] of this.queues) {
      const rest = queue.filter((queued) => queued.message.MessageId !== messageId);
      if (rest.length < queue.length) {
        this.queues.set(instanceId, rest);
        return true;
      }
    }
    return false;
  }

  forget(instanceId: string): void {
    this.queues.delete(instanceId);
    this.wake(instanceId);
  }

  /** Ends every long poll. */
  close(): void {
    for (const instanceId of [...this.waiting.keys()]) this.wake(instanceId);
  }

  private queueOf(instanceId: string): QueuedMessage[] {
    return this.queues.get(instanceId) ?? [];
  }

  private takeNow(instanceId: string, visibilityMs: number): AgentMessage[] {
    const now = this.clock();
    const alive = this.queueOf(instanceId).filter((queued) => queued.expiresAt > now);
    this.queues.set(instanceId, alive);
    const ready = alive.filter((queued) => queued.visibleAt <= now);
    for (const queued of ready) queued.visibleAt = now + visibilityMs;
    return ready.map((queued) => queued.message);
  }

  private somethingFor(instanceId: string, waitMs: number, gone: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const waiters = this.waiting.get(instanceId) ?? new Set<() => void>();
      this.waiting.set(instanceId, waiters);
      const end = (): void => {
        clearTimeout(timer);
        gone.removeEventListener('abort', end);
        waiters.delete(end);
        resolve();
      };
      const timer = setTimeout(end, waitMs);
      gone.addEventListener('abort', end);
      waiters.add(end);
      if (gone.aborted) end();
    });
  }

  private wake(instanceId: string): void {
    for (const end of [...(this.waiting.get(instanceId) ?? [])]) end();
  }
}
