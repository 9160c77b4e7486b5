import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AwsClients } from '../../activities/aws/clients';
import { BlockDigestThreads } from '../../activities/block-digest-threads';
import { SnapshotReader } from '../../activities/snapshot-blocks';
import { BLOCK_BYTES } from '../../domain/custody/block-digests';
import { failureOf } from './support';

/** EBS as one answer after another: what the real one does once in millions of blocks. */
const BLOCK = Buffer.alloc(BLOCK_BYTES, 'evidence');

const checksum = createHash('sha256').update(BLOCK).digest('base64');
type Answer = 'sound' | 'broken-off' | 'damaged' | 'short';

let server: Server;
let answers: Answer[] = [];
let threads: BlockDigestThreads;
let clients: AwsClients;

beforeAll(async () => {
  server = createServer((request, response) => {
    if (!/blocks\/\d+/.test(request.url ?? '')) {
      const listing = { Blocks: [{ BlockIndex: 3, BlockToken: 't' }], BlockSize: BLOCK_BYTES, VolumeSize: 1 };
      response.end(JSON.stringify(listing));
      return;
    }
    const answer = answers.shift() ?? 'sound';
    response.writeHead(200, {
      'Content-Length': answer === 'short' ? 1000 : BLOCK_BYTES,
      'x-amz-Checksum': checksum,
      'x-amz-Checksum-Algorithm': 'SHA256',
    });
    if (answer === 'sound') response.end(BLOCK);
    else if (answer === 'damaged') response.end(Buffer.concat([Buffer.from('x'), BLOCK.subarray(1)]));
    else if (answer === 'short') response.end(BLOCK.subarray(0, 1000));
    else response.write(BLOCK.subarray(0, 100_000), () => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
  });
  threads = new BlockDigestThreads(1);
  clients = new AwsClients({
    region: 'us-east-1',
    forensicsAccountId: '222222222222',
    memberRoles: { triage: 'none', acquire: 'none', contain: 'none' },
  });
});
afterAll(async () => {
  clients.destroy();
  await threads.end();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function read(...given: Answer[]) {
  answers = given;
  const reader = await SnapshotReader.open(clients.forensics(), 'snap-1', threads);
  const blocks = [];
  for await (const { index, sha256: digest, data, release } of reader.blocks()) {
    blocks.push({ index, digest, equal: BLOCK.equals(data) });
    release();
  }
  return blocks;
}
const SOUND = [{ index: 3, digest: Buffer.from(checksum, 'base64').toString('hex'), equal: true }];

test.each<Answer>(['broken-off', 'damaged', 'short'])('a block that arrives %s is read again', async (answer) => {
  expect(await read(answer, answer, 'sound')).toEqual(SOUND);
  expect(answers).toEqual([]);
});

test('a block that stays damaged: EvidenceMismatch, with both digests', async () => {
  const failure = await failureOf(read('damaged', 'damaged', 'damaged'));
  expect(failure).toMatchObject({ type: 'EvidenceMismatch', nonRetryable: true });
  expect(failure.message).toContain(`EBS says ${SOUND[0]!.digest}`);
});

test('a connection that breaks off each time: to be tried again', async () => {
  const failure = await failureOf(read('broken-off', 'broken-off', 'broken-off'));
  expect(failure).toMatchObject({ type: 'Unavailable', nonRetryable: false });
});
