import { existsSync } from 'node:fs';
import path from 'node:path';
import { type GuestInterface } from './guest-options';
import { inQemuOption } from './qemu-arguments';
import { findProgram } from './tool-output';

/** Inside QEMU's user-mode network (10.0.2.0/24): the guest, and what answers there. */
const GUEST = '10.0.2.15/24';
const PROXY = { address: '10.0.2.100', port: 3128 };
const SSM = { address: '10.0.2.101', port: 80 };

export interface UserModeNetwork {
  interface: GuestInterface;
  /** SSM's endpoint as the guest reaches it. */
  ssmUrl: string;
  /** HTTP proxy that leads to the two ports of the lab. */
  proxyUrl: string;
}

/** QEMU splits the command of `guestfwd` as a shell does. */
const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

function forwarder(...words: string[]): string {
  // The distribution's own Python, since a version manager's wrapper needs ten times as long to start.
  const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : findProgram('python3');
  if (python === undefined) throw new Error('python3 is missing, the guest reaches the lab through it');
  return [python, '-I', '-S', path.join(__dirname, 'forward.py'), ...words].map(quoted).join(' ');
}

/**
 * The network of a guest on a machine where the lab can make no namespaces: QEMU's own, with two ways out and no other, not
 * even to this machine's resolver. The guest also has its private address, so that it looks as on EC2.
 *
 * @param ports on 127.0.0.1, of the emulator and of SSM
 */
export function userModeNetwork(
  macAddress: string,
  privateAddress: string,
  ports: { aws: number; ssm: number },
): UserModeNetwork {
  const way = ({ address, port }: typeof SSM, command: string): string =>
    `guestfwd=tcp:${address}:${port}-cmd:${inQemuOption(command)}`;
  const proxy = way(PROXY, forwarder(String(ports.aws), String(ports.ssm)));
  const ssm = way(SSM, forwarder('--through', String(ports.ssm)));
  return {
    interface: {
      macAddress,
      addresses: [`${privateAddress}/24`, GUEST],
      backend: `user,restrict=on,ipv6=off,${proxy},${ssm}`,
    },
    ssmUrl: `http://${SSM.address}:${SSM.port}`,
    proxyUrl: `http://${PROXY.address}:${PROXY.port}`,
  };
}
