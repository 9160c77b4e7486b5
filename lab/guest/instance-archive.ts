import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { CpioArchive } from './cpio-archive';
import { type GuestOptions } from './guest-options';

/** As the real agent's unit is called. */
export const AGENT_UNIT = 'amazon-ssm-agent.service';

const UNITS = '/lab/run/systemd/system';
const AGENT_FILE = '/lab/run/lab/agent.js';

/** systemd expands % and $ in values, and ends a quoted word at a quote or a backslash (systemd.syntax(7)). */
function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')}"`;
}

/**
 * KillMode=process and Restart=always are the real agent's: what a document left running outlives the agent. A stop is a
 * SIGKILL, since stopping it is how the lab lets an agent crash.
 */
function agentUnit(environment: Readonly<Record<string, string>>): string {
  const variables = Object.entries(environment).map(([name, value]) => `Environment=${quoted(`${name}=${value}`)}`);
  return [
    '[Unit]',
    'Description=amazon-ssm-agent (stand-in of the lab)',
    'StartLimitIntervalSec=0',
    '[Service]',
    ...variables,
    'ExecStart=/usr/bin/node /run/lab/agent.js',
    'KillMode=process',
    'KillSignal=SIGKILL',
    'Restart=always',
    'RestartSec=1',
    '',
  ].join('\n');
}

/**
 * Links by the volume's id, as Amazon's rules make them on a Nitro instance ("Make an EBS volume available for use"). The
 * distribution's own rules would name them after the controller's model, which in QEMU cannot be chosen.
 */
const VOLUME_RULES = `ACTION=="remove", GOTO="lab_end"
SUBSYSTEM!="block", GOTO="lab_end"
KERNEL!="nvme*", GOTO="lab_end"
ENV{DEVTYPE}=="disk", ATTRS{serial}=="vol*", SYMLINK+="disk/by-id/nvme-Amazon_Elastic_Block_Store_$attr{serial}"
ENV{DEVTYPE}=="partition", ATTRS{serial}=="vol*", SYMLINK+="disk/by-id/nvme-Amazon_Elastic_Block_Store_$attr{serial}-part%n"
LABEL="lab_end"
`;

/** QEMU offers the guest's port of the lab's control on the second serial port, where the distribution expects virtio. */
const CONTROL_UNIT = `[Unit]
Description=QEMU Guest Agent
[Service]
ExecStart=/usr/sbin/qemu-ga --method=isa-serial --path=/dev/ttyS1
Restart=always
RestartSec=1
`;

/**
 * Units of the distribution that a server in a lab can do without, and that together cost an emulated processor seconds at
 * each boot. Masked in memory: the system on the disk is whole.
 */
const MASKED_UNITS = [
  ...['dev-hugepages.mount', 'sys-kernel-debug.mount', 'sys-kernel-tracing.mount', 'sys-fs-fuse-connections.mount'],
  ...['configfs', 'dm_mod', 'drm', 'efi_pstore', 'fuse', 'loop'].map((module) => `modprobe@${module}.service`),
  ...['kmod-static-nodes.service', 'systemd-modules-load.service', 'systemd-update-utmp-runlevel.service'],
];

/** The machine id (machine-id(5)) of an instance: the same at each of its boots, and on no other instance. */
export function machineId(instanceId: string): string {
  return createHash('sha256').update(instanceId).digest('hex').slice(0, 32);
}

/** What is of one instance in its initial file system: lab/guest/rootfs/init reads it and copies it to /run. */
export async function instanceArchive(options: GuestOptions): Promise<Buffer> {
  const archive = new CpioArchive();
  const interfaces = options.interfaces.map(({ macAddress, addresses, gateway }) =>
    [macAddress.toLowerCase(), ...addresses, ...(gateway === undefined ? [] : ['via', gateway])].join(' '),
  );
  archive.file('/lab/interfaces', `${interfaces.join('\n')}\n`);
  const resolver = options.resolver === undefined ? '' : `nameserver ${options.resolver}\n`;
  archive.file('/lab/run/systemd/resolve/resolv.conf', resolver);
  archive.file('/lab/run/udev/rules.d/90-lab-volumes.rules', VOLUME_RULES);
  for (const unit of MASKED_UNITS) archive.link(`${UNITS}/${unit}`, '/dev/null');
  archive.file(`${UNITS}/qemu-guest-agent.service`, CONTROL_UNIT);
  archive.link(`${UNITS}/multi-user.target.wants/qemu-guest-agent.service`, '../qemu-guest-agent.service');
  archive.file(AGENT_FILE, await readFile(options.agent.file));
  archive.file(`${UNITS}/${AGENT_UNIT}`, agentUnit(options.agent.environment), 0o600);
  if (options.agent.atBoot) archive.link(`${UNITS}/multi-user.target.wants/${AGENT_UNIT}`, `../${AGENT_UNIT}`);
  // Documents and planted programs see by it that they are inside of a lab, and not on a machine that somebody needs.
  archive.file('/lab/run/lab-instance', `${options.instanceId}\n`);
  return archive.finish();
}
