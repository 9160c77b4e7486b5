import { setTimeout as sleep } from 'node:timers/promises';

export interface OutboxOptions {
  /** First pause after a failure in milliseconds; doubles up to a minute. Default 1000. */
  retryMs?: number;
  log: (line: string) => void;
}

const LONGEST_PAUSE_MS = 60_000;
/** amazon-ssm-agent keeps replies that it could not send on disk; these live with the process. */
const KEPT_MS = 24 * 3_600_000;

/**
 * What an agent has to tell, in order and as often as it takes: an agent that an isolation has cut off goes on working
 * and tells its results when the way is open again.
 */
export class Outbox {
  private last: Promise<void> = Promise.resolve();

  constructor(private readonly options: OutboxOptions) {}

  /** Returns at once; `send` is tried until it works, for a day. */
  add(send: () => Promise<void>): void {
    this.last = this.last.then(() => this.deliver(send));
  }

  /** Resolves when all that was added so far was sent or given up. */
  async emptied(): Promise<void> {
    await this.last;
  }

  private async deliver(send: () => Promise<void>): Promise<void> {
    const deadline = Date.now() + KEPT_MS;
    for (let pause = this.options.retryMs ?? 1000; Date.now() < deadline; pause *= 2) {
      try {
        await send();
        return;
      } catch (error) {
        this.options.log(String(error));
        await sleep(Math.min(pause, LONGEST_PAUSE_MS));
      }
    }
  }
}
