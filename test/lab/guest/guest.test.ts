import {
  copyFileSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bundleAgent } from '../../../lab/agent/bundle';
import { labConfig } from '../../../lab/config';
import { blankDisk } from '../../../lab/disks/disk-images';
import { guestRunnerFactory } from '../../../lab/guest/guest-instance';
import { guestKernelVersion } from '../../../lab/guest/guest-kernel';
import { ensureGuestParts, type GuestParts } from '../../../lab/guest/guest-parts';
import { MachineMonitor, MonitorError } from '../../../lab/guest/machine-monitor';
import { findProgram, toolOutput } from '../../../lab/guest/tool-output';
import { type EmulatedInstance } from '../../../lab/instances/emulated-instance';
import { type InstanceContext, type InstanceRunner } from '../../../lab/instances/instance-runner';
import { type StepResult } from '../../../lab/ssm/messages';
import { MessageService } from './message-service';
import { GUEST_MAC, startTapNetwork } from './tap-network';

const CACHE = labConfig().cacheFolder;
const INSTANCE = 'i-0123456789abcdef0';
const ROOT_VOLUME = 'vol-0123456789abcdef0';
const DATA_VOLUME = 'vol-0fedcba9876543210';
const EVIDENCE_VOLUME = 'vol-00000000000000aaa';
const PART_BYTES = 16 * 1024 * 1024;
const ROOT_OFFSET = 16 * 1024 * 1024;
/** Building the parts from an empty cache downloads 100 MB, compiles AVML and installs a Debian system. */
const BUILD_MS = 900_000;

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

  it('are refused with one line that names the program their root disk is made with, where it is missing', async () => {
    const programs = path.join(folder, 'programs');
    mkdirSync(programs);
    for (const name of ['qemu-system-x86_64', 'apt-get', 'apt-cache', 'dpkg-deb', 'cc', 'cargo', 'bash', 'python3']) {
      copyFileSync('/bin/true', path.join(programs, name));
    }
    const missing = ensureGuestParts(folder, undefined, { PATH: programs });
    await expect(missing).rejects.toThrow('mmdebstrap is missing, the guest is built with it: apt-get install');
  });
});

const missingHere = ['qemu-system-x86_64', 'mmdebstrap'].filter((program) => findProgram(program) === undefined);

function describeGuest(): void {
  let parts: GuestParts;
  let service: MessageService;
  let runner: InstanceRunner;
  let instance: EmulatedInstance;
  let context: InstanceContext;
  let stopNetwork: (() => Promise<void>) | undefined;
  const volumeFile = (volumeId: string): string => path.join(folder, 'ebs/volumes', `${volumeId}.img`);
  const instanceFile = (name: string): string => path.join(context.instanceFolder, name);
  const withVolumes = (...volumes: EmulatedInstance['volumes']): EmulatedInstance => ({
    ...instance,
    volumes: [...instance.volumes, ...volumes],
  });

  beforeAll(async () => {
    parts = await ensureGuestParts(CACHE);
    service = await new MessageService(folder).start();
    service.downloads.set('avml', parts.avml.path);
    mkdirSync(path.dirname(volumeFile(ROOT_VOLUME)), { recursive: true });
    copyFileSync(parts.rootDisk, volumeFile(ROOT_VOLUME), constants.COPYFILE_FICLONE);
    instance = {
      accountId: '111122223333',
      region: 'us-east-1',
      instanceId: INSTANCE,
      state: 'running',
      imageId: 'ami-0123456789abcdef0',
      kind: 'guest',
      tags: {},
      instanceType: 't3.micro',
      availabilityZone: 'us-east-1a',
      volumes: [{ volumeId: ROOT_VOLUME, device: '/dev/xvda', sizeGiB: 1, readOnlyHint: false }],
      networkInterfaces: [],
      privateIpAddress: '10.0.5.9',
    };
    context = {
      awsUrl: service.url,
      ssmUrl: service.url,
      stateFolder: folder,
      instanceFolder: path.join(folder, 'instances', INSTANCE),
      cacheFolder: CACHE,
      agentFile: await bundleAgent(path.join(folder, 'agent.js')),
      log: () => undefined,
    };
    if (process.getuid?.() === 0 && findProgram('ip') !== undefined) {
      const made = await startTapNetwork(folder, service.port);
      stopNetwork = made.stop;
      context.network = made.network;
    }
    runner = guestRunnerFactory(() => Promise.resolve(parts))();
    await runner.start(instance, context);
  }, BUILD_MS);

  afterAll(async () => {
    await runner.stop();
    await stopNetwork?.();
    await service.stop();
  });

  async function run(script: string): Promise<StepResult> {
    return service.run(script);
  }

  async function output(script: string): Promise<string> {
    const result = await run(script);
    expect({ code: result.code, errors: result.standardError }).toEqual({ code: 0, errors: '' });
    return result.standardOutput;
  }

  it('boots the distribution on its root volume, with the agent inside', async () => {
    const text = await output(
      'findmnt -n -o SOURCE,FSTYPE /; cat /run/lab-instance; systemctl is-active cron ssh systemd-journald; hostname; uname -r',
    );
    expect(text.trim().split(/\s+/)).toEqual([
      ...['/dev/nvme0n1p1', 'ext4', INSTANCE, 'active', 'active', 'active', 'ip-10-0-5-9', parts.kernelVersion],
    ]);
    expect(await guestKernelVersion(CACHE)).toBe(parts.kernelVersion);
    expect(service.registrations[0]).toMatchObject({
      InstanceId: INSTANCE,
      ComputerName: 'ip-10-0-5-9',
      IPAddress: '10.0.5.9',
      PlatformName: 'Debian GNU/Linux',
    });
  }, 240_000);

  it('writes its console where GetConsoleOutput reads it', () => {
    expect(readFileSync(instanceFile('console.log'), 'utf8')).toContain('amazon-ssm-agent.service');
  });

  it('has the private address of its interface, and the resolver of its network', async () => {
    const text = await output('cat /sys/class/net/eth0/address; ip -4 -o address show dev eth0; cat /etc/resolv.conf');
    expect(text).toContain('10.0.5.9/24');
    if (!context.network) return;
    expect(text).toContain(GUEST_MAC);
    expect(text).toContain('nameserver 10.0.5.2');
    expect(await output('ip route show default')).toContain('via 10.0.5.1 dev eth0');
  });

  it('uploads parts of 16 MiB whole over its interface, from a file and from a stream', async () => {
    const sha256 = (
      await output(`#!/bin/bash
      set -euo pipefail
      cd /dev/shm
      head -c ${PART_BYTES} /dev/urandom >part
      curl -sS -T part http://127.0.0.1:${service.port}/file
      cat part | curl -sS -T - http://127.0.0.1:${service.port}/stream
      sha256sum <part | cut -d' ' -f1
      rm part`)
    ).trim();
    expect(service.uploads.get('file')).toEqual({ size: PART_BYTES, sha256, expect: '100-continue' });
    expect(service.uploads.get('stream')).toMatchObject({ size: PART_BYTES, sha256 });
  }, 240_000);

  it('gets a volume while it runs, by the name of EBS, and what it flushes is in the file', async () => {
    await blankDisk({ file: volumeFile(DATA_VOLUME), sizeMiB: 16 });
    await runner.update(withVolumes({ volumeId: DATA_VOLUME, device: '/dev/sdf', sizeGiB: 1, readOnlyHint: false }));
    const text = await output(`#!/bin/bash
      set -eu
      device=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_${DATA_VOLUME.replace('-', '')}
      until [ -b $device ]; do sleep 0.2; done
      echo written in the guest | dd of=$device bs=512 conv=sync,fsync status=none
      blockdev --getsize64 $device; cat /sys/class/nvme/nvme1/serial`);
    expect(text.trim().split(/\s+/)).toEqual(['16777216', DATA_VOLUME.replace('-', '')]);
    expect((await readFile(volumeFile(DATA_VOLUME))).subarray(0, 20).toString()).toBe('written in the guest');
  }, 240_000);

  it('cannot write to a read-only volume, and loses a volume that is detached', async () => {
    await blankDisk({ file: volumeFile(EVIDENCE_VOLUME), sizeMiB: 16 });
    await runner.update(withVolumes({ volumeId: EVIDENCE_VOLUME, device: '/dev/sdg', sizeGiB: 1, readOnlyHint: true }));
    const result = await run(`#!/bin/bash
      folder=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store
      until [ -b \${folder}_${EVIDENCE_VOLUME.replace('-', '')} ]; do sleep 0.2; done
      while [ -b \${folder}_${DATA_VOLUME.replace('-', '')} ]; do sleep 0.2; done
      ls /sys/class/nvme | wc -l
      echo no | dd of=\${folder}_${EVIDENCE_VOLUME.replace('-', '')} bs=512 conv=sync,fsync status=none`);
    expect(result.standardOutput).toBe('2\n');
    expect(result.code).not.toBe(0);
    expect((await readFile(volumeFile(EVIDENCE_VOLUME))).every((byte) => byte === 0)).toBe(true);
    await runner.update(instance);
    await output('until [ "$(ls /sys/class/nvme | wc -l)" = 1 ]; do sleep 0.2; done');
  }, 240_000);

  it('can be paused for a snapshot by the monitor that its control file names, and goes on', async () => {
    await output('mkdir -p /srv/app; echo flushed before the snapshot >/srv/app/state; sync');
    const control = JSON.parse(readFileSync(instanceFile('control.json'), 'utf8')) as { qmpSnapshotSocket: string };
    const monitor = await MachineMonitor.connect(control.qmpSnapshotSocket);
    await expect(monitor.execute('no-such-command')).rejects.toThrow(MonitorError);
    await monitor.execute('stop');
    expect(await monitor.execute('query-status')).toMatchObject({ status: 'paused', running: false });
    const snapshot = path.join(folder, 'snapshot.img');
    copyFileSync(volumeFile(ROOT_VOLUME), snapshot, constants.COPYFILE_FICLONE);
    await monitor.execute('cont');
    monitor.close();
    const debugfs = findProgram('debugfs') ?? 'debugfs';
    const content = await toolOutput(debugfs, ['-R', 'cat /srv/app/state', `${snapshot}?offset=${ROOT_OFFSET}`]);
    expect(content).toBe('flushed before the snapshot\n');
    rmSync(snapshot);
    expect(await output('cat /srv/app/state')).toBe(content);
  }, 240_000);

  it('keeps what comes from outside off its root volume', async () => {
    const debugfs = findProgram('debugfs') ?? 'debugfs';
    const list = await toolOutput(debugfs, ['-R', 'ls -p /run', `${volumeFile(ROOT_VOLUME)}?offset=${ROOT_OFFSET}`]);
    expect(list).not.toContain('lab');
  });

  it('loses its agent when it is killed, not what the agent started, and gets it back', async () => {
    await output('setsid sleep 54321 >/dev/null 2>&1 & true');
    await runner.killAgent?.();
    while (service.polls > 0) await sleep(100);
    const registered = service.registrations.length;
    let ended = false;
    const waiting = output('pgrep -fc "^sleep 54321"').finally(() => (ended = true));
    await sleep(3000);
    expect(ended).toBe(false);
    await runner.startAgent?.();
    expect(await waiting).toBe('1\n');
    expect(service.registrations.length).toBeGreaterThan(registered);
  }, 240_000);

  it('gives its memory to AVML, through a FIFO, and lets a kernel module in', async () => {
    await output(`#!/bin/bash
      set -euo pipefail
      modprobe dm_mod; grep -q '^dm_mod' /proc/modules; grep -qF '[none]' /sys/kernel/security/lockdown
      cd /dev/shm
      curl -sS -o avml http://127.0.0.1:${service.port}/avml
      chmod 700 avml
      mkfifo image
      ./avml acquire image & tool=$!
      curl -sS -T - http://127.0.0.1:${service.port}/memory.lime <image
      wait $tool
      rm avml image`);
    const image = await readFile(path.join(folder, 'memory.lime'));
    expect(image.readUInt32LE(0).toString(16)).toBe('4c694d45');
    expect(image.length).toBeGreaterThan(64 * 1024 * 1024);
    expect(image.includes(`Linux version ${parts.kernelVersion}`)).toBe(true);
    expect(image.includes('NUMBER(pgtable_l5_enabled)=0')).toBe(true); // Volatility 3 reads such a kernel
  }, 240_000);

  it('stops at once and leaves nothing running', async () => {
    const pid = readFileSync(instanceFile('qemu.pid'), 'utf8').trim();
    await runner.stop();
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    expect(readdirSync(context.instanceFolder).sort()).toEqual(['console.log', 'qemu.log']);
    expect(readdirSync(path.join(folder, 'processes'))).toEqual([]);
  });

  it('is refused without a root volume', async () => {
    const refused = guestRunnerFactory(() => Promise.resolve(parts))();
    await expect(refused.start({ ...instance, volumes: [] }, context)).rejects.toThrow('no root volume to boot from');
  });
}

if (missingHere.length === 0) {
  describe('a guest', describeGuest);
} else {
  describe(`a guest, on this machine without ${missingHere.join(', ')}`, () => {
    it('cannot be made, which is told in one clear line', async () => {
      await expect(ensureGuestParts(CACHE)).rejects.toThrow('is missing');
    });
  });
}
