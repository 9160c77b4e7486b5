import { spawn } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import path from 'node:path';

const SCRIPT = path.join(__dirname, '../../../lab/guest/forward.py');

let server: Server;
let port: number;
let seen: { url: string | undefined; connection: string | undefined }[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    seen.push({ url: request.url, connection: request.headers.connection });
    request.resume().on('end', () => response.end('a small answer'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));
beforeEach(() => {
  seen = [];
});

/** What QEMU does for a connection of the guest: the connection is the program's standard input and output. */
function connection(words: string[], request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const forwarder = spawn('python3', ['-I', '-S', SCRIPT, ...words], { stdio: ['pipe', 'pipe', 'inherit'] });
    let answer = '';
    forwarder.stdout.on('data', (data: Buffer) => (answer += data.toString()));
    forwarder.on('error', reject);
    forwarder.on('close', () => resolve(answer));
    forwarder.stdin.write(request);
  });
}

describe('the forwarder of a guest in QEMU’s user-mode network', () => {
  it('forwards a proxy request to a port of the lab, in origin form and one a connection', async () => {
    const request = `GET http://127.0.0.1:${port}/bucket/key?x=1 HTTP/1.1\r\nHost: x\r\nProxy-Connection: keep-alive\r\n\r\n`;
    expect(await connection([String(port)], request)).toMatch(/^HTTP\/1\.1 200 OK[^]*a small answer/);
    expect(seen).toEqual([{ url: '/bucket/key?x=1', connection: 'close' }]);
  });

  it.each([
    ['another port', (): string => `http://127.0.0.1:${port + 1}/`],
    ['another host', (): string => `http://203.0.113.66:${port}/`],
    ['a request that is none to a proxy', (): string => '/'],
  ])('refuses %s', async (_what, url) => {
    const answer = await connection([String(port)], `GET ${url()} HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 403 Forbidden/);
    expect(seen).toEqual([]);
  });

  it('is no proxy where it stands for an endpoint: all bytes go to one port', async () => {
    const answer = await connection(
      ['--through', String(port)],
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK[^]*a small answer/);
    expect(seen).toEqual([{ url: '/', connection: 'close' }]);
  });
});
