import { createHash, randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { HashThread } from '../../activities/hash-thread';
import { BLOCK_BYTES } from '../../domain/custody/block-digests';

let threads: HashThread[] = [];
function hashThread(options: Partial<ConstructorParameters<typeof HashThread>[0]> = {}): HashThread {
  const thread = new HashThread({ what: 'a disk', ...options });
  threads.push(thread);
  return thread;
}
afterEach(async () => {
  await Promise.all(threads.map((thread) => thread.end()));
  threads = [];
});

const copyOf = (block: Uint8Array): Uint8Array => new Uint8Array(block);

test('hashes blocks and runs of zeros in the order of the device', async () => {
  const blocks = Array.from({ length: 40 }, () => new Uint8Array(randomBytes(BLOCK_BYTES)));
  const expected = createHash('sha256').update(new Uint8Array(3 * BLOCK_BYTES));
  const progress: number[] = [];
  const thread = hashThread({ progress: (blocksDone) => progress.push(blocksDone) });
  await thread.addZeros(3);
  for (const block of blocks) {
    expected.update(block);
    await thread.add(copyOf(block));
  }
  await thread.addZeros(130);
  expected.update(new Uint8Array(130 * BLOCK_BYTES));
  await thread.addZeros(0);
  expect(await thread.digest()).toBe(expected.digest('hex'));
  expect(progress.at(-1)).toBe(173);
  expect(progress).toEqual([...progress].sort((a, b) => a - b));
});

test('tells when a block is hashed, in order, so that its memory can be used again', async () => {
  const shared = new Uint8Array(new SharedArrayBuffer(BLOCK_BYTES));
  const expected = createHash('sha256');
  const thread = hashThread();
  for (const value of [7, 8, 9]) {
    shared.fill(value);
    expected.update(shared);
    await new Promise<void>((resolve) => void thread.add(shared, resolve));
  }
  expect(await thread.digest()).toBe(expected.digest('hex'));
});

test('lets its giver wait while 8 MiB are not hashed yet', async () => {
  const thread = hashThread();
  await thread.addZeros(2 ** 30);
  let given = 0;
  const giving = (async () => {
    for (; given < 17; given += 1) await thread.add(new Uint8Array(BLOCK_BYTES));
  })();
  const rejected = expect(giving).rejects.toThrow('it was ended');
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(given).toBe(16);
  await thread.end();
  await rejected;
});

test('keeps the event loop free', async () => {
  const before = performance.eventLoopUtilization();
  const all = [hashThread(), hashThread()];
  for (const thread of all) await thread.addZeros(1024);
  const digests = await Promise.all(all.map((thread) => thread.digest()));
  expect(new Set(digests).size).toBe(1);
  // Hashed here it would be 1.
  expect(performance.eventLoopUtilization(before).utilization).toBeLessThan(0.9);
});

test('is aborted: what waits rejects with the reason at once, and the thread ends', async () => {
  const abort = new AbortController();
  const thread = hashThread({ signal: abort.signal });
  const days = 2 ** 30;
  await thread.addZeros(days);
  const digest = thread.digest();
  setTimeout(() => abort.abort(new Error('CANCELLED')), 20);
  await expect(digest).rejects.toThrow('CANCELLED');
  await expect(thread.addZeros(1)).rejects.toThrow('CANCELLED');
  await thread.end();
});

test('was aborted before it began: takes nothing', async () => {
  const thread = hashThread({ signal: AbortSignal.abort(new Error('CANCELLED')) });
  await expect(thread.add(new Uint8Array(BLOCK_BYTES))).rejects.toThrow('CANCELLED');
});

test('fails in the thread: to be tried again, with the reason', async () => {
  const thread = hashThread();
  const noBytes: unknown = { byteLength: 8, buffer: new ArrayBuffer(8) };
  await thread.add(noBytes as Uint8Array);
  await expect(thread.digest()).rejects.toMatchObject({ type: 'Unavailable', nonRetryable: false });
});

test('ends early: later calls say so', async () => {
  const thread = hashThread();
  await thread.addZeros(2 ** 30);
  await thread.end();
  await expect(thread.digest()).rejects.toMatchObject({
    type: 'Unavailable',
    nonRetryable: false,
    message: expect.stringContaining('the thread that hashes a disk failed: it was ended'),
  });
});
