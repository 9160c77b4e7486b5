import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer, type Server } from 'node:http';
import { type AddressInfo, createServer, type Server as TcpServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { PROBE_REPORT } from '../../activities/isolation-probe';
import { type DocumentRun, runDocument, scriptOf } from './run-document';

/** Everything that the document tries is on this machine: nothing leaves it. */
const TOKEN = 'token/with+signs==';
/** The label `abcdefghij` has ten letters: its length is a line feed. */
const THERE = 'abcdefghij.canary.example';
const UNKNOWN = 'unknown.canary.example';

let canary: TcpServer;
let metadata: Server;
let resolver: Socket;
let folder: string;
const tokensSeen: (string | undefined)[] = [];
const portOf = (server: TcpServer | Server): number => (server.address() as AddressInfo).port;

function answerTo(query: Buffer): Buffer | undefined {
  const name = query.toString('latin1', 12);
  if (name.startsWith('\nabcdefghij')) {
    const answer = Buffer.from('c00c00010001000000010004c6336401', 'hex');
    const reply = Buffer.concat([query, answer]);
    reply.writeUInt16BE(0x8180, 2);
    reply.writeUInt16BE(1, 6);
    return reply;
  }
  if (!name.startsWith('\x07unknown')) return undefined;
  const reply = Buffer.from(query);
  reply.writeUInt16BE(0x8183, 2);
  return reply;
}

beforeAll(async () => {
  canary = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
  metadata = createHttpServer((request, response) => {
    if (request.method === 'PUT') {
      response.end(TOKEN);
      return;
    }
    tokensSeen.push(request.headers['x-aws-ec2-metadata-token'] as string | undefined);
    response.end('i-0123456789abcdef0');
  }).listen(0, '127.0.0.1');
  resolver = createSocket('udp4', (query, { port, address }) => {
    const reply = answerTo(query);
    if (reply) resolver.send(reply, port, address);
  });
  resolver.bind(0, '127.0.0.1');
  await Promise.all([once(canary, 'listening'), once(metadata, 'listening'), once(resolver, 'listening')]);
  folder = await mkdtemp(path.join(os.tmpdir(), 'probe-'));
  await mkdir(path.join(folder, 'proc', 'net'), { recursive: true });
  await writeFile(
    path.join(folder, 'proc', 'net', 'tcp'),
    [
      '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
      '   0: 0500000A:A1B2 0A6433C6:01BB 01 00000000:00000000 00:00000000 00000000     0        0 1 1',
      '   1: 0100007F:0016 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 2 1',
      '   2: 0500000A:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3 1',
      '   3: 0500000A:0016 $(id):"} 01 00000000:00000000 00:00000000 00000000     0        0 4 1',
      '',
    ].join('\n'),
  );
  await writeFile(
    path.join(folder, 'proc', 'net', 'tcp6'),
    '   0: B80D0120000000000000000001000000:C350 B80D0120000000000000000002000000:01BB 01 0 0 0 0 0 5\n',
  );
});
afterAll(async () => {
  canary.close();
  metadata.close();
  resolver.close();
  await rm(folder, { recursive: true });
});

const probe = (parameters: Record<string, string>, env: NodeJS.ProcessEnv = {}): Promise<DocumentRun> =>
  runDocument(
    'probeIsolation',
    { CaseId: 'case-1', ...parameters },
    {
      FORENSICS_RESOLVER: `127.0.0.1/${resolver.address().port}`,
      FORENSICS_METADATA: `127.0.0.1/${portOf(metadata)}`,
      FORENSICS_SYSTEM_ROOT: folder,
      ...env,
    },
  );

test('what answers is open, what does not is blocked, and what cannot be tried is told', async () => {
  const { port } = canary.address() as AddressInfo;
  const { code, result, stdout, stderr } = await probe({
    TcpCanaries: `127.0.0.1:${port},127.0.0.1:1`,
    DnsCanaries: `${THERE},${UNKNOWN},silent.canary.example`,
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const report = PROBE_REPORT.parse(result);
  expect(Object.fromEntries(report.flows.map(({ target, ...rest }) => [target, rest]))).toEqual({
    [`127.0.0.1:${port}`]: { kind: 'tcp', result: 'open', how: 'connected' },
    '127.0.0.1:1': { kind: 'tcp', result: 'open', how: 'refused' },
    [THERE]: { kind: 'dns', result: 'open', how: 'answered' },
    [UNKNOWN]: { kind: 'dns', result: 'blocked', how: 'no-address', code: 3 },
    'silent.canary.example': { kind: 'dns', result: 'blocked', how: 'no-answer' },
    '127.0.0.1': { kind: 'metadata', result: 'open', how: 'answered', code: 200 },
  });
  expect(tokensSeen).toEqual([TOKEN]);
  expect(stdout).not.toContain('token');
  expect(report.established).toEqual({
    count: 2,
    connections: [
      { local: '10.0.0.5:41394', remote: '198.51.100.10:443' },
      {
        local: '[2001:0db8:0000:0000:0000:0000:0000:0001]:50000',
        remote: '[2001:0db8:0000:0000:0000:0000:0000:0002]:443',
      },
    ],
  });
}, 60_000);

test('without ping and without the programs for DNS the rest is measured all the same', async () => {
  const programs = path.join(folder, 'programs');
  await mkdir(programs);
  const link = async (name: string): Promise<void> => {
    await writeFile(path.join(programs, name), `#!/bin/bash\nexec /usr/bin/${name} "$@"\n`, { mode: 0o755 });
  };
  await link('timeout');
  const { port } = canary.address() as AddressInfo;
  const { result } = await probe(
    { TcpCanaries: `127.0.0.1:${port}`, DnsCanaries: THERE, IcmpCanaries: '127.0.0.1' },
    { PATH: programs, FORENSICS_METADATA: '127.0.0.1/1', FORENSICS_SYSTEM_ROOT: '/nonexistent' },
  );
  const report = PROBE_REPORT.parse(result);
  const seen = report.flows.map(({ kind, result: outcome, how }) => `${kind} ${outcome} ${how}`).sort();
  expect(seen).toEqual([
    'dns not-measured no-tool',
    'icmp not-measured no-tool',
    'metadata blocked no-answer',
    'tcp open connected',
  ]);
  expect(report.established).toBeNull();
}, 60_000);

test.each([
  { TcpCanaries: '127.0.0.1:1;id' },
  { TcpCanaries: 'canary.example:443' },
  { TcpCanaries: "127.0.0.1:1'" },
  { DnsCanaries: 'a.example$(id)' },
  { DnsCanaries: '' },
  { IcmpCanaries: '-f' },
  { IcmpCanaries: '127.0.0.1 -f' },
])('a hostile parameter is refused: %j', (parameters) => {
  const sound = { CaseId: 'case-1', TcpCanaries: 'none', DnsCanaries: 'none', IcmpCanaries: 'none' };
  expect(() => scriptOf('probeIsolation', sound)).not.toThrow();
  expect(() => scriptOf('probeIsolation', { ...sound, ...parameters })).toThrow(/does not match/);
});
