import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { ApplicationFailure } from '@temporalio/common';

/** More than these are not kept busy by what EBS gives out of one snapshot a second. */
const MOST_THREADS = 4;

/** A thread's program: `{ number, block }` to `{ number, sha256 }`. As text, for the reason that hash-thread.ts gives. */
const PROGRAM = `'use strict';
const { createHash } = require('node:crypto');
const { parentPort } = require('node:worker_threads');
parentPort.on('message', ({ number, block }) => {
  parentPort.postMessage({ number, sha256: createHash('sha256').update(block).digest('hex') });
});
`;

interface Thread {
  worker: Worker;
  waiting: Map<number, { resolve: (sha256: string) => void; reject: (reason: Error) => void }>;
}

/**
 * SHA-256 of single blocks, in as many threads as there are cores to spare. Not Node's own thread pool (`crypto.subtle`): it
 * copies each block into new memory on the event loop, which costs more than the digest.
 */
export class BlockDigestThreads {
  private readonly threads: Thread[];
  private number = 0;
  private failure: ApplicationFailure | undefined;

  constructor(count = Math.max(1, Math.min(MOST_THREADS, availableParallelism() - 1))) {
    this.threads = Array.from({ length: count }, () => this.start());
  }

  /**
   * Of the bytes as they are when their turn comes; shared memory is not copied. In hexadecimal. Fails with `Unavailable` (to be
   * tried again) when a thread failed or was ended.
   */
  async digest(block: Uint8Array): Promise<string> {
    if (this.failure !== undefined) throw this.failure;
    const number = (this.number += 1);
    const thread = this.threads.reduce((least, other) => (other.waiting.size < least.waiting.size ? other : least));
    return new Promise((resolve, reject) => {
      thread.waiting.set(number, { resolve, reject });
      thread.worker.postMessage({ number, block });
    });
  }

  /** Resolves when all threads have ended. */
  async end(): Promise<void> {
    this.fail('they were ended');
    await Promise.all(this.threads.map(({ worker }) => worker.terminate()));
  }

  private start(): Thread {
    const worker = new Worker(PROGRAM, { eval: true, execArgv: [] });
    const thread: Thread = { worker, waiting: new Map() };
    worker.on('message', ({ number, sha256 }: { number: number; sha256: string }) => {
      thread.waiting.get(number)?.resolve(sha256);
      thread.waiting.delete(number);
    });
    worker.on('error', (error) => this.fail(error.message));
    worker.on('exit', (code) => this.fail(`one ended with code ${code}`));
    return thread;
  }

  private fail(reason: string): void {
    this.failure ??= ApplicationFailure.retryable(
      `the threads that hash blocks failed: ${reason}. Nothing was changed; the step is tried again`,
      'Unavailable',
    );
    for (const { waiting } of this.threads) {
      for (const { reject } of waiting.values()) reject(this.failure);
      waiting.clear();
    }
  }
}
