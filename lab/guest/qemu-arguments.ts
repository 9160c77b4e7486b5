import { existsSync } from 'node:fs';
import path from 'node:path';
import { type GuestOptions } from './guest-options';
import { type GuestParts } from './guest-parts';
import { machineId } from './instance-archive';
import { slotName, VOLUME_SLOTS, volumeBackend, volumeDevice } from './machine-volumes';

export interface MachineFiles {
  consoleLog: string;
  /** Initial file system with the instance's archive. */
  initramfs: string;
  /** Unix sockets that QEMU makes. */
  sockets: MachineSockets;
}

export interface MachineSockets {
  /** QEMU's monitor, for what attaches volumes. */
  monitor: string;
  /** Another monitor, for what takes snapshots. */
  snapshotMonitor: string;
  /** The serial port of the QEMU guest agent. */
  control: string;
}

/** Size of `sun_path` in a Unix socket address, less the closing zero (unix(7)). */
export const SOCKET_PATH_LIMIT = 107;
const DEFAULT_MEMORY_MIB = 384;
const SMALLEST_MEMORY_MIB = 256;
const TRANSLATION_BUFFER_MIB = 256;
/** With a second one pipes cost four times the processor time: emulated processors wake each other badly. */
const PROCESSORS = 1;
/**
 * la57=off: Volatility 3 returns nothing, without an error, for a kernel with 5-level paging (its issue #1938).
 * erms, fsrm off: else the kernel copies byte by byte, which an emulated processor does at half the speed.
 */
const PROCESSOR = 'max,la57=off,erms=off,fsrm=off';

/** QEMU's option values are separated by commas; a comma inside a value is written twice. */
export const inQemuOption = (value: string): string => value.replaceAll(',', ',,');

function checkOptions(options: GuestOptions, sockets: MachineSockets): void {
  const address = /^\d{1,3}(\.\d{1,3}){3}$/;
  const wanted: [string, string, RegExp][] = [
    ['instanceId', options.instanceId, /^i-[0-9a-f]{8,17}$/],
    ['hostname', options.hostname, /^[a-z0-9][a-z0-9.-]{0,62}$/i],
    ...(options.resolver === undefined ? [] : [['resolver', options.resolver, address] as [string, string, RegExp]]),
    ...options.volumes.map(({ volumeId }): [string, string, RegExp] => ['volumeId', volumeId, /^vol-[0-9a-f]{8,17}$/]),
    ...options.interfaces.flatMap(({ macAddress, addresses, gateway }): [string, string, RegExp][] => [
      ['macAddress', macAddress, /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i],
      ...addresses.map((text): [string, string, RegExp] => ['address', text, /^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/]),
      ...(gateway === undefined ? [] : [['gateway', gateway, address] as [string, string, RegExp]]),
    ]),
  ];
  for (const [name, value, pattern] of wanted) {
    if (!pattern.test(value)) throw new Error(`${name} "${value}" of a guest has a wrong form: ${pattern.source}`);
  }
  if (options.volumes.length === 0) throw new Error(`${options.instanceId} has no root volume to boot from`);
  if (options.volumes.length > VOLUME_SLOTS) {
    throw new Error(`${options.instanceId}: a guest of the lab has room for ${VOLUME_SLOTS} volumes`);
  }
  for (const { volumeId, file } of options.volumes) {
    if (!existsSync(file)) throw new Error(`${volumeId} of ${options.instanceId} has no disk image at ${file}`);
  }
  for (const socket of Object.values(sockets) as string[]) {
    if (Buffer.byteLength(socket) <= SOCKET_PATH_LIMIT) continue;
    throw new Error(
      `the socket path ${socket} is longer than ${SOCKET_PATH_LIMIT} bytes, ` +
        'which Unix does not allow: choose a shorter state folder (LAB_STATE)',
    );
  }
  const memory = options.memoryMiB ?? DEFAULT_MEMORY_MIB;
  if (memory < SMALLEST_MEMORY_MIB) {
    throw new Error(`a guest needs at least ${SMALLEST_MEMORY_MIB} MiB of memory, ${memory} were asked`);
  }
}

/**
 * QEMU's command line for a guest. Beside the processor (above), these choices matter to forensics:
 * - `init_on_free=1`: the kernel clears freed pages, so memory images of a small guest compress well;
 * - serial numbers: the volume id without its dash, as EBS shows it to a Nitro instance;
 * - each volume behind a root port of its own, so that it can be attached and detached while the guest runs.
 *
 * @throws Error an option has a wrong form, or an image is missing
 */
export function qemuArguments(
  parts: Pick<GuestParts, 'qemu' | 'kernel'>,
  options: GuestOptions,
  files: MachineFiles,
  accelerator: string,
): string[] {
  const { sockets } = files;
  checkOptions(options, sockets);
  if (!['tcg', 'kvm'].includes(accelerator)) {
    throw new Error(`LAB_QEMU_ACCEL="${accelerator}" is not known: use tcg (always works) or kvm`);
  }
  const [root] = options.volumes;
  const kernelArguments = [
    'console=ttyS0 quiet panic=-1 pci=noaer net.ifnames=0 init_on_free=1 SYSTEMD_COLORS=0 systemd.show_status=1',
    `systemd.machine_id=${machineId(options.instanceId)}`,
    `systemd.hostname=${options.hostname}`,
    `lab.root=${root?.volumeId.replace('-', '') ?? ''}`,
  ].join(' ');
  // Without a limit the buffer for translated code grows to 1 GiB.
  const acceleration = accelerator === 'tcg' ? `tcg,tb-size=${TRANSLATION_BUFFER_MIB}` : accelerator;
  const machine = ['-machine', 'q35', '-accel', acceleration, '-cpu', PROCESSOR, '-smp', String(PROCESSORS)];
  const memory = ['-m', String(options.memoryMiB ?? DEFAULT_MEMORY_MIB)];
  const boot = ['-kernel', parts.kernel, '-initrd', files.initramfs, '-append', kernelArguments];
  const bare = ['-nodefaults', '-display', 'none', '-no-reboot', '-rtc', 'base=utc'];
  const serialPorts = [
    ...['-chardev', `file,id=console,path=${inQemuOption(files.consoleLog)}`, '-serial', 'chardev:console'],
    ...['-chardev', `socket,id=control,path=${inQemuOption(sockets.control)},server=on,wait=off`],
    ...['-serial', 'chardev:control'],
  ];
  const monitors = [sockets.monitor, sockets.snapshotMonitor].flatMap((socket) => [
    '-qmp',
    `unix:${inQemuOption(socket)},server=on,wait=off`,
  ]);
  const network = options.interfaces.flatMap(({ backend, macAddress }, index) => [
    ...['-netdev', `${backend},id=network${index}`],
    ...['-device', `vmxnet3,netdev=network${index},mac=${macAddress}`],
  ]);
  const slots = Array.from({ length: VOLUME_SLOTS }, (_, slot) => [
    '-device',
    `pcie-root-port,id=${slotName(slot)},chassis=${slot + 1},slot=${slot + 1}`,
  ]).flat();
  const volumes = options.volumes.flatMap((volume, slot) => [
    ...['-blockdev', JSON.stringify(volumeBackend({ ...volume, file: path.resolve(volume.file) }))],
    ...['-device', JSON.stringify(volumeDevice(volume.volumeId, slot))],
  ]);
  return [...machine, ...memory, ...bare, ...boot, ...serialPorts, ...monitors, ...network, ...slots, ...volumes];
}
