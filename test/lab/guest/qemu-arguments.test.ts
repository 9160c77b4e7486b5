import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type GuestOptions } from '../../../lab/guest/guest-options';
import { machineId } from '../../../lab/guest/instance-archive';
import { qemuArguments } from '../../../lab/guest/qemu-arguments';
import { userModeNetwork } from '../../../lab/guest/user-mode-network';

let folder: string;
let image: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'lab-qemu-'));
  image = path.join(folder, 'root, with a comma.img');
  writeFileSync(image, '');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PARTS = { qemu: 'qemu-system-x86_64', kernel: '/kernel' };
const network = userModeNetwork('02:00:0a:00:03:11', '10.0.3.17', { aws: 5066, ssm: 5070 });

function options(changes: Partial<GuestOptions> = {}): GuestOptions {
  return {
    instanceId: 'i-0123456789abcdef0',
    stateFolder: folder,
    volumes: [{ volumeId: 'vol-0123456789abcdef0', file: image, readOnly: false }],
    interfaces: [network.interface],
    hostname: 'ip-10-0-3-17',
    agent: { file: '/agent.js', environment: {}, atBoot: true },
    ...changes,
  };
}

function lineOf(changes: Partial<GuestOptions> = {}, socketFolder = folder, accelerator = 'tcg'): string[] {
  const sockets = {
    monitor: path.join(socketFolder, 'qmp.sock'),
    snapshotMonitor: path.join(socketFolder, 'snapshot.sock'),
    control: path.join(socketFolder, 'control.sock'),
  };
  const files = { consoleLog: path.join(folder, 'console.log'), initramfs: '/initramfs', sockets };
  return qemuArguments(PARTS, options(changes), files, accelerator);
}

describe('the command line of a guest', () => {
  it('tells the kernel its root volume by its serial number, and who the machine is', () => {
    const words = lineOf();
    const kernel = words[words.indexOf('-append') + 1] ?? '';
    expect(kernel).toContain('lab.root=vol0123456789abcdef0');
    expect(kernel).toContain(`systemd.machine_id=${machineId('i-0123456789abcdef0')}`);
    expect(machineId('i-0123456789abcdef0')).toMatch(/^[0-9a-f]{32}$/);
    expect(machineId('i-0123456789abcdef0')).not.toBe(machineId('i-0123456789abcdef1'));
  });

  it('gives each volume its file, whatever its name, and a read-only one no way to be written', () => {
    const volumes = [
      { volumeId: 'vol-0123456789abcdef0', file: image, readOnly: false },
      { volumeId: 'vol-0123456789abcdef1', file: image, readOnly: true },
    ];
    const words = lineOf({ volumes });
    const drives = words.flatMap((word, index) => (word === '-blockdev' ? [words[index + 1] ?? ''] : []));
    expect(drives.map((drive) => JSON.parse(drive) as unknown)).toMatchObject([
      { 'node-name': 'vol0123456789abcdef0', 'read-only': false, file: { filename: image, 'read-only': false } },
      { 'node-name': 'vol0123456789abcdef1', 'read-only': true, file: { filename: image, 'read-only': true } },
    ]);
  });

  it('leads nowhere but to the lab where the lab has no network of its own', () => {
    const line = lineOf().join(' ');
    expect(line).toContain('user,restrict=on,ipv6=off,guestfwd=tcp:10.0.2.100:3128-cmd:');
    expect(line).toContain("'--through' '5070'");
    expect(network).toMatchObject({ ssmUrl: 'http://10.0.2.101:80', proxyUrl: 'http://10.0.2.100:3128' });
  });

  it.each<[string, Partial<GuestOptions>]>([
    ['instanceId "i-1 x"', { instanceId: 'i-1 x' }],
    ['hostname "a b"', { hostname: 'a b' }],
    ['macAddress "nonsense"', { interfaces: [{ ...network.interface, macAddress: 'nonsense' }] }],
    ['address "10.0.3.17"', { interfaces: [{ ...network.interface, addresses: ['10.0.3.17'] }] }],
    ['no root volume', { volumes: [] }],
    [
      'no disk image at /nonexistent',
      { volumes: [{ volumeId: 'vol-00000001', file: '/nonexistent', readOnly: true }] },
    ],
    ['at least 256 MiB of memory, 128 were asked', { memoryMiB: 128 }],
  ])('is refused with a message that says %s', (message, changes) => {
    expect(() => lineOf(changes)).toThrow(message);
  });

  it('is refused when a socket’s path is too long, or LAB_QEMU_ACCEL is unknown', () => {
    expect(() => lineOf({}, `/${'x'.repeat(110)}`)).toThrow('choose a shorter state folder (LAB_STATE)');
    expect(() => lineOf({}, folder, 'magic')).toThrow('LAB_QEMU_ACCEL="magic" is not known');
  });
});
