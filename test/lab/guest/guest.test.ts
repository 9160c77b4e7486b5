import { createHash } from 'node:crypto';
import { createWriteStream, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChannelExecutor } from '../../../lab/agent/channel-executor';
import { type ScriptResult } from '../../../lab/agent/executor';
import { labConfig } from '../../../lab/config';
import { blankDisk, makeDisk } from '../../../lab/disks/disk-images';
import { type Guest, startGuest } from '../../../lab/guest/guest';
import { guestRunnerFactory } from '../../../lab/guest/guest-instance';
import { ensureGuestParts, type GuestParts } from '../../../lab/guest/guest-parts';
import { findProgram } from '../../../lab/guest/tool-output';
import { type EmulatedInstance } from '../../../lab/instances/emulated-instance';

const CACHE = labConfig().cacheFolder;
const INSTANCE = 'i-0123456789abcdef0';
const ROOT_VOLUME = 'vol-0123456789abcdef0';
const DATA_VOLUME = 'vol-0fedcba9876543210';
const PART_BYTES = 16 * 1024 * 1024;
/** Building the parts from an empty cache downloads 28 MB and compiles AVML. */
const BUILD_MS = 300_000;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'lab-guest-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the parts of a guest', () => {
  it('are refused with one line that tells how to get QEMU, where it is missing', async () => {
    const error = await ensureGuestParts(folder, undefined, { PATH: '/nonexistent' }).catch(
      (reason: unknown) => reason,
    );
    expect(String(error)).toMatch(/^GuestPartsError: QEMU is missing.*apt-get install .*qemu-system-x86.*"fixture"$/);
  });

  it('are refused when QEMU_SYSTEM_X86_64 points to nothing', async () => {
    const env = { ...process.env, QEMU_SYSTEM_X86_64: '/nonexistent/qemu' };
    await expect(ensureGuestParts(folder, undefined, env)).rejects.toThrow('QEMU_SYSTEM_X86_64="/nonexistent/qemu"');
  });
});

/** What the test's HTTP server got. */
interface Upload {
  size: number;
  sha256: string;
  expect: string | undefined;
}

/** Stands for the S3 endpoint: keeps uploads as files, and hands out the memory tool. */
async function startStore(avml: string): Promise<{ server: Server; port: number; uploads: Map<string, Upload> }> {
  const uploads = new Map<string, Upload>();
  const server = createServer((request, response) => {
    const name = path.basename(request.url ?? '');
    if (request.method === 'GET') {
      response.end(name === 'avml' ? readFileSync(avml) : 'a small answer\n');
      return;
    }
    const hash = createHash('sha256');
    let size = 0;
    request.on('data', (data: Buffer) => {
      hash.update(data);
      size += data.length;
    });
    void pipeline(request, createWriteStream(path.join(folder, name))).then(() => {
      uploads.set(name, { size, sha256: hash.digest('hex'), expect: request.headers.expect });
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port, uploads };
}

/** Walks a LiME image: magic "EMiL", version 1, first and last address, 8 zero bytes; then the bytes of that range. */
function limeRanges(image: Buffer): { first: bigint; last: bigint }[] {
  const ranges: { first: bigint; last: bigint }[] = [];
  for (let at = 0; at < image.length;) {
    expect(image.readUInt32LE(at).toString(16)).toBe('4c694d45');
    expect(image.readUInt32LE(at + 4)).toBe(1);
    const [first, last] = [image.readBigUInt64LE(at + 8), image.readBigUInt64LE(at + 16)];
    ranges.push({ first, last });
    at += 32 + Number(last - first) + 1;
    expect(at).toBeLessThanOrEqual(image.length);
  }
  return ranges;
}

const qemuAtHand = findProgram('qemu-system-x86_64') !== undefined || (process.env.QEMU_SYSTEM_X86_64 ?? '') !== '';

function describeGuest(): void {
  let parts: GuestParts;
  let guest: Guest;
  let executor: ChannelExecutor;
  let store: Awaited<ReturnType<typeof startStore>>;
  let rootImage: string;
  let rootHash: string;
  const channelSocket = (): string => path.join(folder, 'channel.sock');

  beforeAll(async () => {
    parts = await ensureGuestParts(CACHE);
    store = await startStore(parts.avml.path);
    rootImage = path.join(folder, 'root.img');
    await makeDisk({ file: rootImage, fileSystem: 'ext4', scenario: 'intrusion' });
    rootHash = createHash('sha256').update(readFileSync(rootImage)).digest('hex');
    const dataImage = path.join(folder, 'data.img');
    await blankDisk({ file: dataImage, sizeMiB: 16 });
    guest = await startGuest(parts, {
      instanceId: INSTANCE,
      stateFolder: path.join(folder, 'guest'),
      memoryMiB: 160, // a smaller image than the default's, for the test's time
      volumes: [
        { volumeId: ROOT_VOLUME, file: rootImage },
        { volumeId: DATA_VOLUME, file: dataImage },
      ],
      channelSocket: channelSocket(),
      forwardPorts: [store.port],
      hostname: 'ip-10-0-3-17',
      address: '10.0.3.17',
    });
    executor = new ChannelExecutor({ socketPath: channelSocket() });
  }, BUILD_MS);

  afterAll(async () => {
    await executor.close();
    await guest.stop();
    store.server.closeAllConnections();
    await new Promise((resolve) => store.server.close(resolve));
  });

  async function run(script: string, stop = new AbortController(), timeoutSeconds = 60): Promise<ScriptResult> {
    return executor.run({ script, environment: {}, timeoutSeconds, stop: stop.signal, name: 'test/step' });
  }

  it('boots, and tells over the channel what it is', async () => {
    const platform = await executor.platform();
    expect(platform).toMatchObject({ hostname: 'ip-10-0-3-17', address: '10.0.3.17' });
    expect(platform.name).not.toBe('unknown');
    await guest.waitReady();
    expect(guest.isRunning()).toBe(true);
  });

  it('runs a script and gives back both streams and the exit code', async () => {
    const result = await run('echo to stdout; echo to stderr >&2; exit 7');
    expect(result).toMatchObject({ exitCode: 7, stdout: 'to stdout\n', stderr: 'to stderr\n', ended: 'exit' });
  });

  it('honours the first line of a script', async () => {
    const result = await run('#!/bin/bash\necho "${BASH_VERSINFO[0]} $(hostname)"');
    expect(result.stdout).toMatch(/^\d+ ip-10-0-3-17\n$/);
  });

  it('takes a script of 60 KB, and bytes that are no text', async () => {
    const result = await run(`# ${'x'.repeat(60_000)}\nprintf '\\303\\244\\n'`);
    expect(result.stdout).toBe('ä\n');
  });

  it('runs scripts side by side', async () => {
    const startedAt = Date.now();
    const results = await Promise.all([1, 2, 3].map((number) => run(`sleep 4; echo ${number}`)));
    expect(results.map(({ stdout }) => stdout)).toEqual(['1\n', '2\n', '3\n']);
    expect(Date.now() - startedAt).toBeLessThan(11_000);
  });

  it('kills a script with all of its group', async () => {
    const stop = new AbortController();
    const result = run('sleep 4321 & sleep 4321', stop);
    await sleep(1000);
    stop.abort();
    expect(await result).toMatchObject({ exitCode: 137, ended: 'cancel' });
    expect((await run("ps | grep '[s]leep 4321' | wc -l")).stdout.trim()).toBe('0');
  });

  it('has its volumes under the names of EBS, and mounts none', async () => {
    const result = await run(
      'cd /dev/disk/by-id; for name in *; do echo $name $(blockdev --getsize64 $name); done; mount',
    );
    expect(result.stdout).toContain(
      `nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0 ${readFileSync(rootImage).length}`,
    );
    expect(result.stdout).toContain('nvme-Amazon_Elastic_Block_Store_vol0fedcba9876543210 16777216');
    expect(result.stdout).not.toContain('/dev/nvme');
  });

  it('reaches the ports it may reach, and nothing else', async () => {
    const answer = await run(`curl -sS http://127.0.0.1:${store.port}/x`);
    expect(answer.stdout).toBe('a small answer\n');
    const others = [`http://127.0.0.1:${store.port + 1}/`, `http://example.invalid:${store.port}/`];
    for (const url of others) {
      expect((await run(`curl -s -o /dev/null -w '%{http_code}' ${url}`)).stdout).toBe('403');
    }
    expect((await run("curl -sS -m 5 --noproxy '*' http://203.0.113.66/")).exitCode).not.toBe(0);
  });

  it('uploads parts of 16 MiB whole, from a file and from a stream', async () => {
    const script = `#!/bin/bash
      set -euo pipefail
      head -c ${PART_BYTES} /dev/urandom >/tmp/part
      sha256sum </tmp/part | cut -d' ' -f1
      curl -sS -T /tmp/part http://127.0.0.1:${store.port}/file
      cat /tmp/part | curl -sS -T - http://127.0.0.1:${store.port}/stream
      rm /tmp/part`;
    const result = await run(script);
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    const sha256 = result.stdout.trim();
    expect(store.uploads.get('file')).toEqual({ size: PART_BYTES, sha256, expect: '100-continue' });
    expect(store.uploads.get('stream')).toMatchObject({ size: PART_BYTES, sha256 });
  });

  it('gives its memory to AVML, through a FIFO, with the planted intrusion in it', async () => {
    const script = `#!/bin/bash
      set -euo pipefail
      cd /dev/shm
      curl -sS -o avml http://127.0.0.1:${store.port}/avml
      echo "${parts.avml.sha256}  avml" | sha256sum -c --status
      chmod 700 avml
      mkfifo image
      ./avml acquire image & tool=$!
      tee >(curl -sS -T - http://127.0.0.1:${store.port}/memory.lime) <image | sha256sum | cut -d' ' -f1
      wait $tool`;
    const result = await run(script, new AbortController(), 120);
    expect(result.exitCode).toBe(0);
    for (let waited = 0; !store.uploads.has('memory.lime') && waited < 10_000; waited += 100) await sleep(100);
    const upload = store.uploads.get('memory.lime')!;
    expect(upload.sha256).toBe(result.stdout.trim());

    const image = readFileSync(path.join(folder, 'memory.lime'));
    const ranges = limeRanges(image);
    expect(ranges[0]?.first).toBe(0x1000n);
    expect(image.length).toBeGreaterThan(64 * 1024 * 1024);
    const planted = [
      'PLANTED-RWX-MARKER-0xDEADBEEF',
      'C2_TOKEN=planted-token-7f3a',
      'PLANTED-BASH-MARKER',
      'kworker-evil',
    ];
    for (const text of planted) expect(`${text} ${image.includes(text)}`).toBe(`${text} true`);
    expect(image.includes(`Linux version ${parts.kernelVersion}`)).toBe(true);
    expect(image.includes('NUMBER(pgtable_l5_enabled)=0')).toBe(true); // Volatility 3 reads such a kernel
  }, 150_000);

  it('ends a script itself when nobody is left to do so, and sends no more than 24,000 bytes of a stream', async () => {
    await executor.close();
    const socket = connect(channelSocket());
    let text = '';
    socket.on('data', (data) => (text += data.toString()));
    const script = 'i=0; while [ $i -lt 3000 ]; do echo 0123456789; i=$((i+1)); done; sleep 100';
    socket.write(`RUN mine 3\n${Buffer.from(script).toString('base64')}\n.\nRUN bad/id 3\n`);
    for (let waited = 0; !text.includes('EXIT mine') && waited < 15_000; waited += 100) await sleep(100);
    socket.destroy();
    const lines = text.split('\n');
    expect(lines).toContain('EXIT mine 137');
    const sent = lines.filter((line) => line.startsWith('OUT mine ')).map((line) => line.split(' ')[2]!);
    expect(sent.reduce((sum, chunk) => sum + Buffer.from(chunk, 'base64').length, 0)).toBe(24_000);
  });

  it('stops at once, leaves nothing running, and has not changed its volumes', async () => {
    await guest.stop();
    expect(guest.isRunning()).toBe(false);
    expect(existsSync(`/proc/${guest.pid}`)).toBe(false);
    expect(existsSync(channelSocket())).toBe(false);
    expect(createHash('sha256').update(readFileSync(rootImage)).digest('hex')).toBe(rootHash);
  });

  it('is run by the instance host: a machine and an agent beside it, both gone after stop', async () => {
    const stateFolder = path.join(folder, 'state');
    const volumeFile = path.join(stateFolder, 'ebs/volumes', `${ROOT_VOLUME}.img`);
    await blankDisk({ file: volumeFile, sizeMiB: 16 });
    const told = path.join(folder, 'agent-environment.json');
    const agentFile = path.join(folder, 'agent.js');
    writeFileSync(
      agentFile,
      `require('node:fs').writeFileSync(${JSON.stringify(told)}, JSON.stringify({ ...process.env, pid: process.pid }));
       setInterval(() => undefined, 1000);`,
    );
    const instance: EmulatedInstance = {
      accountId: '111122223333',
      region: 'us-east-1',
      instanceId: INSTANCE,
      state: 'running',
      imageId: 'ami-0123456789abcdef0',
      kind: 'guest',
      tags: {},
      availabilityZone: 'us-east-1a',
      volumes: [{ volumeId: ROOT_VOLUME, device: '/dev/xvda', sizeGiB: 1, readOnlyHint: false }],
      networkInterfaces: [],
      privateIpAddress: '10.0.5.9',
    };
    const runner = guestRunnerFactory(() => Promise.resolve(parts))();
    const url = `http://127.0.0.1:${store.port}`;
    await runner.start(instance, {
      awsUrl: url,
      ssmUrl: url,
      stateFolder,
      instanceFolder: path.join(stateFolder, 'instances', INSTANCE),
      cacheFolder: CACHE,
      agentFile,
      log: () => undefined,
    });
    for (let waited = 0; !existsSync(told) && waited < 10_000; waited += 50) await sleep(50);
    await sleep(100);
    const environment = JSON.parse(readFileSync(told, 'utf8')) as Record<string, string | number>;
    expect(environment).toMatchObject({ LAB_INSTANCE: INSTANCE, LAB_SSM_ENDPOINT: url });
    const channel = new ChannelExecutor({ socketPath: String(environment.LAB_AGENT_CHANNEL) });
    expect(await channel.platform()).toMatchObject({ hostname: 'ip-10-0-5-9', address: '10.0.5.9' });
    await channel.close();
    await runner.update({ ...instance, volumes: [] });
    expect(runner.notEnforced().join()).toContain('volumes attached or detached');
    await runner.stop();
    expect(existsSync(`/proc/${String(environment.pid)}`)).toBe(false);
    expect(existsSync(String(environment.LAB_AGENT_CHANNEL))).toBe(false);
  });
}

if (qemuAtHand) {
  describe('a guest', describeGuest);
} else {
  describe('a guest, on this machine without QEMU', () => {
    it('cannot be made, which is told in one clear line', async () => {
      await expect(ensureGuestParts(CACHE)).rejects.toThrow('QEMU is missing');
    });
  });
}
