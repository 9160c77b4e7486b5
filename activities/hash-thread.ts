import { Worker } from 'node:worker_threads';
import { ApplicationFailure } from '@temporalio/common';
import { BLOCK_BYTES } from '../domain/custody/block-digests';

/** Bytes given to the thread and not hashed yet; beyond them the giver waits. */
const MOST_BYTES_WAITING = 16 * BLOCK_BYTES;
/** The thread tells how far it is after this many blocks of zeros (32 MiB: some 20 to 100 ms). */
const ZERO_BLOCKS_TOLD = 64;

/**
 * The thread's program, as text: a file of its own would have another name and place under tsx than compiled. It takes
 * `{ block }` (bytes), `{ zeroBlocks }` (their number) and `{ end: true }`, in the order of the device; it
 * tells `{ blocks, bytes }` (hashed since it last told; `bytes` of blocks that were given only) and at last `{ sha256 }`.
 */
const PROGRAM = `'use strict';
const { createHash } = require('node:crypto');
const { parentPort, workerData } = require('node:worker_threads');
const zeros = new Uint8Array(workerData.blockBytes);
const digest = createHash('sha256');
parentPort.on('message', ({ block, zeroBlocks, end }) => {
  if (block !== undefined) {
    digest.update(block);
    parentPort.postMessage({ blocks: 1, bytes: block.byteLength });
  }
  for (let left = zeroBlocks ?? 0; left > 0; ) {
    const blocks = Math.min(left, workerData.zeroBlocksTold);
    for (let done = 0; done < blocks; done += 1) digest.update(zeros);
    parentPort.postMessage({ blocks, bytes: 0 });
    left -= blocks;
  }
  if (end) {
    parentPort.postMessage({ sha256: digest.digest('hex') });
    parentPort.close();
  }
});
`;

type Told = { blocks: number; bytes: number } | { sha256: string };

/**
 * SHA-256 of a device, block after block, in a thread of its own: a disk takes minutes of hashing, and on the event loop
 * every step of every other case would wait for it. Its calls come one after another, each awaited; `end` always, also
 * after a failure.
 *
 * Every call rejects with the signal's reason once it is aborted, and with `Unavailable` (to be tried again) when the
 * thread failed.
 */
export class HashThread {
  /** Blocks hashed so far, zeros included. */
  private hashed = 0;
  private bytesWaiting = 0;
  /** Of the blocks that wait, in their order: whom to tell. */
  private readonly givenBack: ((() => void) | undefined)[] = [];
  private sha256: string | undefined;
  private failure: Error | undefined;
  private wake: (() => void) | undefined;
  private readonly thread: Worker;
  private readonly abort = (): void => this.fail(asError(this.options.signal?.reason));

  /** @param options.what what is hashed, for messages; `progress` is told the number of blocks hashed so far. */
  constructor(
    private readonly options: { what: string; progress?: (blocksDone: number) => void; signal?: AbortSignal },
  ) {
    this.thread = new Worker(PROGRAM, {
      eval: true,
      // Loaders of the process (tsx) have nothing to load here, and cost the thread half a second.
      execArgv: [],
      workerData: { blockBytes: BLOCK_BYTES, zeroBlocksTold: ZERO_BLOCKS_TOLD },
    });
    this.thread.on('message', (told: Told) => this.hear(told));
    this.thread.on('error', (error) => this.fail(this.failureOf(error.message)));
    this.thread.on('exit', (code) => this.fail(this.failureOf(`it ended with code ${code}`)));
    if (options.signal?.aborted) this.abort();
    options.signal?.addEventListener('abort', this.abort, { once: true });
  }

  /**
   * The next block. Shared memory is not copied: it must stay as it is until `hashed` is called.
   */
  async add(block: Uint8Array, hashed?: () => void): Promise<void> {
    await this.until(() => this.bytesWaiting < MOST_BYTES_WAITING || undefined);
    this.bytesWaiting += block.byteLength;
    this.givenBack.push(hashed);
    this.thread.postMessage({ block });
  }

  /** So many blocks of zeros; they take no memory, and therefore nobody waits for them. */
  async addZeros(zeroBlocks: number): Promise<void> {
    await this.until(() => true);
    if (zeroBlocks > 0) this.thread.postMessage({ zeroBlocks });
  }

  /** Waits for all that was given, and gives the SHA-256 in hexadecimal. */
  async digest(): Promise<string> {
    this.thread.postMessage({ end: true });
    return this.until(() => this.sha256);
  }

  /** Ends the thread, whatever it is doing, and resolves when it has ended. */
  async end(): Promise<void> {
    this.options.signal?.removeEventListener('abort', this.abort);
    this.fail(this.failureOf('it was ended'));
    await this.thread.terminate();
  }

  private hear(told: Told): void {
    if ('sha256' in told) this.sha256 = told.sha256;
    else {
      if (told.bytes > 0) this.givenBack.shift()?.();
      this.bytesWaiting -= told.bytes;
      this.hashed += told.blocks;
      // What was under way when it failed or was cancelled counts for nothing any more.
      if (this.failure === undefined) this.options.progress?.(this.hashed);
    }
    this.wake?.();
  }

  /** The first failure stays; after the digest none matters. */
  private fail(reason: Error): void {
    if (this.sha256 === undefined) this.failure ??= reason;
    this.wake?.();
  }

  private async until<T>(reached: () => T | undefined): Promise<T> {
    for (;;) {
      if (this.failure !== undefined) throw this.failure;
      const what = reached();
      if (what !== undefined) return what;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  private failureOf(reason: string): ApplicationFailure {
    return ApplicationFailure.retryable(
      `the thread that hashes ${this.options.what} failed: ${reason}. Nothing was changed; the step is tried again`,
      'Unavailable',
    );
  }
}

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)));
