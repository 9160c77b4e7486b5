import { existsSync } from 'node:fs';
import path from 'node:path';
import { type GuestOptions } from './guest-options';
import { type GuestParts } from './guest-parts';
import { findProgram } from './tool-output';

/** Where the guest's `http_proxy` points to, inside QEMU's user-mode network. */
const PROXY = '10.0.2.100:3128';
/** Size of `sun_path` in a Unix socket address, less the closing zero (unix(7)). */
export const SOCKET_PATH_LIMIT = 107;
const SMALLEST_MEMORY_MIB = 128;
const TRANSLATION_BUFFER_MIB = 128;
/** With a second one pipes cost four times the processor time: emulated processors wake each other badly. */
const PROCESSORS = 1;
/**
 * la57=off: Volatility 3 returns nothing, without an error, for a kernel with 5-level paging (its issue #1938).
 * erms, fsrm off: else the kernel copies byte by byte, which an emulated processor does at half the speed.
 */
const PROCESSOR = 'max,la57=off,erms=off,fsrm=off';

/** QEMU's option values are separated by commas; a comma inside a value is written twice. */
const inOption = (value: string): string => value.replaceAll(',', ',,');
/** QEMU splits the command of `guestfwd` as a shell does. */
const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

function checkOptions(options: GuestOptions): void {
  const wanted: [string, string, RegExp][] = [
    ['instanceId', options.instanceId, /^i-[0-9a-f]{8,17}$/],
    ['hostname', options.hostname, /^[a-z0-9][a-z0-9.-]{0,62}$/i],
    ['address', options.address, /^\d{1,3}(\.\d{1,3}){3}$/],
    ...options.volumes.map((volume): [string, string, RegExp] => ['volumeId', volume.volumeId, /^vol-[0-9a-f]{8,17}$/]),
  ];
  for (const [name, value, pattern] of wanted) {
    if (!pattern.test(value)) throw new Error(`${name} "${value}" of a guest has a wrong form: ${pattern.source}`);
  }
  for (const { volumeId, file } of options.volumes) {
    if (!existsSync(file)) throw new Error(`${volumeId} of ${options.instanceId} has no disk image at ${file}`);
  }
  if (Buffer.byteLength(options.channelSocket) > SOCKET_PATH_LIMIT) {
    throw new Error(
      `the socket path ${options.channelSocket} is longer than ${SOCKET_PATH_LIMIT} bytes, ` +
        'which Unix does not allow: choose a shorter state folder (LAB_STATE)',
    );
  }
  if ((options.memoryMiB ?? 256) < SMALLEST_MEMORY_MIB) {
    throw new Error(
      `a guest needs at least ${SMALLEST_MEMORY_MIB} MiB of memory, ${options.memoryMiB ?? 0} were asked`,
    );
  }
}

function forwarder(ports: readonly number[]): string {
  // The distribution's own Python, since a version manager's wrapper needs ten times as long to start.
  const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : findProgram('python3');
  if (python === undefined) throw new Error('python3 is missing, the guest reaches the lab through it');
  const script = path.join(__dirname, 'forward.py');
  return [python, '-I', '-S', script, ...ports.map(String)].map(quoted).join(' ');
}

/**
 * QEMU's command line for a guest. Beside the processor (above), two choices matter to forensics:
 * - `init_on_free=1`: the kernel clears freed pages, so memory images of a small guest compress well;
 * - serial numbers: the volume id without its dash, as EBS shows it to a Nitro instance.
 *
 * @throws Error an option has a wrong form, or an image is missing
 */
export function qemuArguments(
  parts: GuestParts,
  options: GuestOptions,
  { consoleLog, accelerator }: { consoleLog: string; accelerator: string },
): string[] {
  checkOptions(options);
  if (!['tcg', 'kvm'].includes(accelerator)) {
    throw new Error(`LAB_QEMU_ACCEL="${accelerator}" is not known: use tcg (always works) or kvm`);
  }
  const kernelArguments = [
    'console=ttyS0 quiet panic=-1 init_on_free=1',
    `lab.instance=${options.instanceId}`,
    `lab.hostname=${options.hostname}`,
    `lab.address=${options.address}`,
  ].join(' ');
  // Without a limit the buffer for translated code grows to 1 GiB.
  const acceleration = accelerator === 'tcg' ? `tcg,tb-size=${TRANSLATION_BUFFER_MIB}` : accelerator;
  const machine = ['-machine', 'q35', '-accel', acceleration, '-cpu', PROCESSOR, '-smp', String(PROCESSORS)];
  const memory = ['-m', String(options.memoryMiB ?? 256)];
  const boot = ['-kernel', parts.kernel, '-initrd', parts.initramfs, '-append', kernelArguments];
  const bare = ['-nodefaults', '-display', 'none', '-no-reboot', '-rtc', 'base=utc'];
  const serialPorts = [
    ...['-chardev', `file,id=console,path=${inOption(consoleLog)}`, '-serial', 'chardev:console'],
    ...['-chardev', `socket,id=channel,path=${inOption(options.channelSocket)},server=on,wait=off`],
    ...['-serial', 'chardev:channel'],
  ];
  // restrict=on: no way out but the forwarder, not even to the host's resolver.
  const guestfwd = `guestfwd=tcp:${PROXY}-cmd:${inOption(forwarder(options.forwardPorts))}`;
  const network = ['-netdev', `user,id=network,restrict=on,ipv6=off,${guestfwd}`, '-device', 'vmxnet3,netdev=network'];
  const volumes = options.volumes.flatMap(({ volumeId, file }, index) => [
    ...['-drive', `file=${inOption(path.resolve(file))},if=none,id=volume${index},format=raw,discard=unmap`],
    ...['-device', `nvme,drive=volume${index},serial=${volumeId.replace('-', '')}`],
  ]);
  return [...machine, ...memory, ...bare, ...boot, ...serialPorts, ...network, ...volumes];
}
