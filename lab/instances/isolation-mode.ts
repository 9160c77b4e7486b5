import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import { whyNoNetwork } from '../network/network-support';
import { findOnPath, outputOf } from '../setup/run-tool';

/** How instances run: in namespaces of their own, or as plain processes of this machine. */
export type IsolationMode = 'namespaces' | 'processes';

export interface Isolation {
  mode: IsolationMode;
  /** Whether instances get network interfaces of their own. */
  network: boolean;
  /** What the lab claims not: shown by `lab status`, so that nobody takes a simulated step for a real one. */
  notEnforced: string[];
}

const TOOLS = ['unshare', 'setpriv', 'mount', 'losetup', 'mknod', 'bash'];
/** What is missing without a network, in words. */
function networkMissing(why: string): string {
  return `security groups, network ACLs, public addresses: instances share the network of this machine, no packet is stopped (${why})`;
}

/** The very mounts a sandbox needs, in a namespace that ends with the trial. */
const TRIAL = `
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
`;

async function whyNoNamespaces(): Promise<string | undefined> {
  if (process.platform !== 'linux') return `this is ${process.platform}, not Linux`;
  if (process.getuid?.() !== 0) return 'not started by root';
  for (const tool of TOOLS)
    if (!(await findOnPath(tool))) return `${tool} is missing (package util-linux or coreutils)`;
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'lab-trial-'));
  try {
    const unshare = ['--mount', '--pid', '--uts', '--ipc', '--propagation', 'private', '--fork', '--kill-child'];
    const worked = await outputOf('unshare', [...unshare, 'bash', '-c', TRIAL, 'trial', folder]);
    return worked === undefined ? 'this machine does not let root make namespaces and overlay mounts' : undefined;
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
}

/** Finds out by trying. `wanted` 'processes' forces the reduced mode. */
export async function findIsolation(wanted?: IsolationMode): Promise<Isolation> {
  const why = wanted === 'processes' ? 'asked for by configuration' : await whyNoNamespaces();
  if (why === undefined) {
    const whyNot = await whyNoNetwork();
    return {
      mode: 'namespaces',
      network: whyNot === undefined,
      notEnforced: whyNot === undefined ? [] : [networkMissing(whyNot)],
    };
  }
  return {
    mode: 'processes',
    network: false,
    notEnforced: [
      `isolation of instances: they run as plain processes of this machine (${why}); its file system, users and processes are theirs`,
      'read-only evidence volumes: documents get the image file itself and could write to it',
      networkMissing('instances are plain processes'),
    ],
  };
}
