import { createHash } from 'node:crypto';
import { type AgentMessage, parseCommandMessageId } from './messages';

interface QueuedMessage {
  message: AgentMessage;
  /** Until then the message is with the agent and not given out again (milliseconds of the clock). */
  visibleAt: number;
  /** After that the message is no longer delivered. */
  expiresAt: number;
}

/** Why a long poll goes on: to look again, or to end with nothing. */
type Waking = 'look' | 'ended';

/** Messages to the agents, one queue an instance, with long polling. In memory only. */
export class MessageQueue {
  private readonly queues = new Map<string, QueuedMessage[]>();
  private readonly waiting = new Map<string, Set<(why: Waking) => void>>();
  private readonly receivers = new Map<string, (message: AgentMessage) => void>();
  private closed = false;

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
    this.handOver(instanceId);
  }

  /** Messages of the instance go to a receiver in this process, those that wait already too; without one, they wait. */
  setReceiver(instanceId: string, receiver: ((message: AgentMessage) => void) | undefined): void {
    if (receiver === undefined) this.receivers.delete(instanceId);
    else this.receivers.set(instanceId, receiver);
    this.handOver(instanceId);
  }

  /**
   * What waits for the instance. With nothing there, waits for a message up to `waitMs`, or until `gone` (the poll's
   * connection closed): a message must not go to a connection that nobody reads.
   */
  async take(instanceId: string, visibilityMs: number, waitMs: number, gone: AbortSignal): Promise<AgentMessage[]> {
    // Not of the clock: how long a connection is held is real time.
    const deadline = performance.now() + waitMs;
    for (;;) {
      const messages = gone.aborted || this.closed ? [] : this.takeNow(instanceId, visibilityMs);
      const left = deadline - performance.now();
      if (messages.length > 0 || left <= 0 || gone.aborted || this.closed) return messages;
      // What an agent took and did not acknowledge is given out again as soon as it is visible.
      const next = Math.min(...this.queueOf(instanceId).map((queued) => queued.visibleAt)) - this.clock();
      const woken = await this.somethingFor(instanceId, Math.min(left, Math.max(next, 1)), gone);
      if (woken === 'ended') return [];
    }
  }

  /** Ends the instance's long polls with nothing: a newer agent took the older one's place. */
  endPolls(instanceId: string): void {
    this.wake(instanceId, 'ended');
  }

  /** @returns whether the message still lay in a queue, taken or not. */
  remove(messageId: string): boolean {
    const instanceId = parseCommandMessageId(messageId)?.instanceId ?? '';
    const queue = this.queueOf(instanceId);
    const rest = queue.filter((queued) => queued.message.MessageId !== messageId);
    if (rest.length === queue.length) return false;
    this.queues.set(instanceId, rest);
    return true;
  }

  forget(instanceId: string): void {
    this.queues.delete(instanceId);
    this.receivers.delete(instanceId);
    this.wake(instanceId);
  }

  /** Ends every long poll. */
  close(): void {
    this.closed = true;
    for (const instanceId of [...this.waiting.keys()]) this.wake(instanceId, 'ended');
  }

  private handOver(instanceId: string): void {
    const receiver = this.receivers.get(instanceId);
    if (receiver === undefined) return;
    for (const message of this.takeNow(instanceId, Infinity)) setImmediate(receiver, message);
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

  private somethingFor(instanceId: string, waitMs: number, gone: AbortSignal): Promise<Waking> {
    return new Promise((resolve) => {
      const waiters = this.waiting.get(instanceId) ?? new Set<(why: Waking) => void>();
      this.waiting.set(instanceId, waiters);
      const end = (why: Waking): void => {
        clearTimeout(timer);
        gone.removeEventListener('abort', onGone);
        waiters.delete(end);
        if (waiters.size === 0) this.waiting.delete(instanceId);
        resolve(why);
      };
      const onGone = (): void => end('ended');
      const timer = setTimeout(() => end('look'), waitMs);
      gone.addEventListener('abort', onGone);
      waiters.add(end);
      if (gone.aborted) onGone();
    });
  }

  private wake(instanceId: string, why: Waking = 'look'): void {
    for (const end of [...(this.waiting.get(instanceId) ?? [])]) end(why);
  }
}
