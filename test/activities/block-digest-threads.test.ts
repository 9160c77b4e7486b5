import { createHash, randomBytes } from 'node:crypto';
import { BlockDigestThreads } from '../../activities/block-digest-threads';
import { BlockMemory } from '../../activities/block-memory';
import { BLOCK_BYTES } from '../../domain/custody/block-digests';

let threads: BlockDigestThreads;
afterEach(() => threads.end());

test('each block has its own digest, however many are asked for at once', async () => {
  threads = new BlockDigestThreads(3);
  const blocks = Array.from({ length: 50 }, (_, number) => new Uint8Array(randomBytes(1000 + number)));
  const digests = await Promise.all(blocks.map((block) => threads.digest(block)));
  expect(digests).toEqual(blocks.map((block) => createHash('sha256').update(block).digest('hex')));
});

test('a thread that fails: to be tried again, with the reason, and so is all that comes later', async () => {
  threads = new BlockDigestThreads(1);
  const noBytes: unknown = { byteLength: 8 };
  const failure = { type: 'Unavailable', nonRetryable: false };
  const [first, second] = [threads.digest(noBytes as Uint8Array), threads.digest(new Uint8Array(1))];
  await expect(first).rejects.toMatchObject(failure);
  await expect(second).rejects.toMatchObject(failure);
  await expect(threads.digest(new Uint8Array(1))).rejects.toMatchObject(failure);
});

test('ended with blocks under way: they are rejected', async () => {
  threads = new BlockDigestThreads(1);
  const digest = threads.digest(new Uint8Array(BLOCK_BYTES));
  const rejected = expect(digest).rejects.toThrow('they were ended');
  await threads.end();
  await rejected;
});

test('memory of blocks is used again, and waited for in turn', async () => {
  threads = new BlockDigestThreads(1);
  const memory = new BlockMemory(2);
  const [first, second] = [await memory.take(), await memory.take()];
  expect(first.buffer).toBeInstanceOf(SharedArrayBuffer);
  const [third, fourth] = [memory.take(), memory.take()];
  memory.giveBack(second);
  memory.giveBack(first);
  expect(await third).toBe(second);
  expect(await fourth).toBe(first);
});
