/**
 * The two reading calls of the EBS direct APIs, and just enough of S3 to take a list, over one disk image: a process of its own,
 * so that its work is not counted as the reader's. Sends its port to the process that forked it. Checksums are taken beforehand.
 * https://docs.aws.amazon.com/ebs/latest/APIReference/API_GetSnapshotBlock.html
 */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BLOCK_BYTES } from '../domain/custody/block-digests';
import type { DiskImage } from './disk-image';

const BLOCK_PATH = /^\/snapshots\/[^/]+\/blocks\/(\d+)$/;
const LIST_PATH = /^\/snapshots\/[^/]+\/blocks$/;

async function serve({ file, sizeGiB, written }: DiskImage): Promise<void> {
  const image = await open(file, 'r');
  const checksums = new Map<number, string>();
  const block = Buffer.alloc(BLOCK_BYTES);
  for (const index of written) {
    await image.read(block, 0, BLOCK_BYTES, index * BLOCK_BYTES);
    checksums.set(index, createHash('sha256').update(block).digest('base64'));
  }

  const list = (url: URL, response: ServerResponse): void => {
    const from = Number(url.searchParams.get('startingBlockIndex') ?? 0);
    const most = Number(url.searchParams.get('maxResults') ?? 100);
    const rest = written.filter((index) => index >= from);
    const page = rest.slice(0, most);
    const body = {
      Blocks: page.map((BlockIndex) => ({ BlockIndex, BlockToken: `token-${BlockIndex}` })),
      BlockSize: BLOCK_BYTES,
      VolumeSize: sizeGiB,
      ExpiryTime: Math.round(Date.now() / 1000) + 7 * 86_400,
      ...(rest.length > page.length && { NextToken: String(rest[page.length]) }),
    };
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
  };

  const read = async (index: number, response: ServerResponse): Promise<void> => {
    const { buffer } = await image.read(Buffer.allocUnsafe(BLOCK_BYTES), 0, BLOCK_BYTES, index * BLOCK_BYTES);
    response.writeHead(200, {
      'Content-Type': 'application/octet-stream',
      'Content-Length': BLOCK_BYTES,
      'x-amz-Data-Length': BLOCK_BYTES,
      'x-amz-Checksum': checksums.get(index) ?? '',
      'x-amz-Checksum-Algorithm': 'SHA256',
    });
    response.end(buffer);
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const block = BLOCK_PATH.exec(url.pathname)?.[1];
    if (block !== undefined) return read(Number(block), response);
    if (LIST_PATH.test(url.pathname)) {
      list(url, response);
      return;
    }
    for await (const _ of request);
    if (request.method === 'HEAD') response.writeHead(404).end();
    else response.writeHead(200, { 'x-amz-version-id': '1' }).end();
  };

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
  process.once('disconnect', () => process.exit(0));
}

process.once('message', (image: DiskImage) => void serve(image));
