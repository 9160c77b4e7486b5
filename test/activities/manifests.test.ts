import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { S3Client } from '@aws-sdk/client-s3';
import { publishExaminationManifest, publishPartsManifest } from '../../activities/manifests';

const caseId = 'i-0123456789abcdef0-20261122t073000z';
const upload = { bucket: 'staging', key: 'case/memory.lime', uploadId: 'u', partSizeBytes: 1024, partCount: 100 };
const HOUR = 3_600_000;

let server: Server;
/** What was put, by its path. */
let objects: Map<string, string>;

beforeEach(async () => {
  objects = new Map();
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      objects.set(new URL(request.url ?? '/', 'http://objects').pathname, Buffer.concat(chunks).toString());
      response.writeHead(200).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** A client whose credentials end after so many milliseconds; each time they are made anew they have another id. */
function clientWithCredentials(lives: number[]): { s3: S3Client; made: () => number } {
  let made = 0;
  const s3 = new S3Client({
    region: 'us-east-1',
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    forcePathStyle: true,
    credentials: () => {
      const life = lives[Math.min(made, lives.length - 1)]!;
      made += 1;
      const expiration = new Date(Date.now() + life);
      return Promise.resolve({ accessKeyId: `ID${made}`, secretAccessKey: 'none', sessionToken: 'none', expiration });
    },
  });
  return { s3, made: () => made };
}

const signers = (text: string): string[] => [
  ...new Set([...text.matchAll(/X-Amz-Credential=(\w+)/g)].map((match) => match[1]!)),
];

it('URLs are signed with credentials that outlast the time for which a document may hold them', async () => {
  const { s3, made } = clientWithCredentials([HOUR / 6, 6 * HOUR]);
  await publishPartsManifest(s3, 'first', { caseId, prefix: 'p', upload, firstPart: 1, outputs: [] });
  expect(signers(objects.get('/staging/p/manifests/first.txt')!)).toEqual(['ID2']);
  const examination = { caseId, bucket: 'staging', prefix: 'p', outputs: ['summary.json'] };
  await publishExaminationManifest(s3, 'renewed', examination);
  expect(signers(objects.get('/staging/p/manifests/renewed.txt')!)).toEqual(['ID2']);
  expect(made()).toBe(2);
  s3.destroy();
});

it('credentials that live long enough are kept', async () => {
  const { s3, made } = clientWithCredentials([HOUR]);
  await publishPartsManifest(s3, 'first', { caseId, prefix: 'p', upload, firstPart: 1, outputs: [] });
  expect(made()).toBe(1);
  s3.destroy();
});

it.each([
  [1, 1, 64],
  [64, 64, 100],
  [100, 100, 100],
])('a window of parts that begins at %d ends with the plan', async (firstPart, first, last) => {
  const { s3 } = clientWithCredentials([HOUR]);
  await publishPartsManifest(s3, 'renewed', {
    caseId,
    prefix: 'p',
    upload,
    firstPart,
    outputs: ['kernel-facts.tar.gz'],
  });
  const text = objects.get('/staging/p/manifests/renewed.txt')!;
  const numbers = [...text.matchAll(/^part (\d+) /gm)].map((match) => Number(match[1]));
  expect(numbers).toEqual(Array.from({ length: last - first + 1 }, (_, index) => first + index));
  expect(text).toMatch(/^output kernel-facts\.tar\.gz \S+\/p\/kernel-facts\.tar\.gz\?\S+X-Amz-Expires=3600/m);
  expect(text).toMatch(/^next \S+\/p\/manifests\/renewed\.txt\?\S+X-Amz-Expires=3600/m);
  s3.destroy();
});
