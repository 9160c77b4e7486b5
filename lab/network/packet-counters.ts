import fs from 'node:fs/promises';
import path from 'node:path';

import type { InstanceNetwork } from './instance-network';
import { namespaceOf } from './namespaces';
import { networkFolder } from './network-services';
import { runInNamespace } from './run-in-namespace';
import { INTERFACE_TABLE } from './security-group-rules';

export interface PacketCount {
  packets: number;
  bytes: number;
}

export interface Verdicts {
  accepted: PacketCount;
  refused: PacketCount;
}

/** Packets of one network interface since it was attached, as its security groups decided on them. */
export interface InterfaceCounters {
  networkInterfaceId: string;
  fromInstance: Verdicts;
  toInstance: Verdicts;
  /** The same for each address that packets went to or came from. */
  peers: { address: string; protocol: string; fromInstance: Verdicts; toInstance: Verdicts }[];
}

interface ListedElement {
  elem: { val: { concat: [string, string] }; counter?: PacketCount };
}

interface Listing {
  nftables: { counter?: PacketCount & { name: string }; set?: { name: string; elem?: ListedElement[] } }[];
}

function instanceFile(stateFolder: string, instanceId: string): string {
  return path.join(networkFolder(stateFolder), 'instances', `${instanceId}.json`);
}

/** Writes down how an instance is connected, for other processes than the lab's own. */
export async function writeInstanceNetwork(
  stateFolder: string,
  instanceId: string,
  network: InstanceNetwork,
): Promise<void> {
  const file = instanceFile(stateFolder, instanceId);
  await fs.mkdir(path.dirname(file), { recursive: true });
  await fs.writeFile(`${file}.new`, JSON.stringify(network));
  await fs.rename(`${file}.new`, file);
}

export async function removeInstanceNetwork(stateFolder: string, instanceId: string): Promise<void> {
  await fs.rm(instanceFile(stateFolder, instanceId), { force: true });
}

/** How an instance is connected now; from any process of this machine. Undefined when it is not. */
export async function instanceNetwork(stateFolder: string, instanceId: string): Promise<InstanceNetwork | undefined> {
  const text = await fs.readFile(instanceFile(stateFolder, instanceId), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as InstanceNetwork);
}

const nothing = (): PacketCount => ({ packets: 0, bytes: 0 });
const noVerdicts = (): Verdicts => ({ accepted: nothing(), refused: nothing() });

/**
 * Packets of an instance's network interfaces, primary one first. Needs root; from any process of this machine.
 * Rejects when the instance is not connected.
 */
export async function networkCounters(stateFolder: string, instanceId: string): Promise<InterfaceCounters[]> {
  const network = await instanceNetwork(stateFolder, instanceId);
  if (!network) throw new Error(`${instanceId} is not connected to the network of the lab in ${stateFolder}`);
  return Promise.all(
    network.interfaces.map(({ networkInterfaceId }) => interfaceCounters(stateFolder, networkInterfaceId)),
  );
}

async function interfaceCounters(stateFolder: string, networkInterfaceId: string): Promise<InterfaceCounters> {
  const namespace = namespaceOf(stateFolder, networkInterfaceId);
  const text = await runInNamespace(namespace, 'nft', ['-j', 'list', 'table', 'inet', INTERFACE_TABLE]);
  const { nftables } = JSON.parse(text) as Listing;
  const counters: InterfaceCounters = {
    networkInterfaceId,
    fromInstance: noVerdicts(),
    toInstance: noVerdicts(),
    peers: [],
  };
  const peers = new Map<string, InterfaceCounters['peers'][number]>();
  const peer = (address: string, protocol: string): InterfaceCounters['peers'][number] => {
    const key = `${address} ${protocol}`;
    const known = peers.get(key) ?? { address, protocol, fromInstance: noVerdicts(), toInstance: noVerdicts() };
    peers.set(key, known);
    return known;
  };
  for (const direction of ['from-instance', 'to-instance'] as const) {
    const of = direction === 'from-instance' ? 'fromInstance' : 'toInstance';
    for (const verdict of ['accepted', 'refused'] as const) {
      const total = nftables.find((item) => item.counter?.name === `${verdict}-${direction}`)?.counter;
      if (total) counters[of][verdict] = { packets: total.packets, bytes: total.bytes };
      const set = nftables.find((item) => item.set?.name === `${verdict}-peers-${direction}`)?.set;
      for (const { elem } of set?.elem ?? []) {
        if (!elem.counter) continue;
        const [address, protocol] = elem.val.concat;
        peer(address, protocol)[of][verdict] = { packets: elem.counter.packets, bytes: elem.counter.bytes };
      }
    }
  }
  return { ...counters, peers: [...peers.values()].sort((a, b) => a.address.localeCompare(b.address)) };
}

/** Runs a program in the network of an instance (its files and processes stay this machine's); answers its output. */
export async function runInInstanceNetwork(
  stateFolder: string,
  instanceId: string,
  command: string,
  args: string[],
): Promise<string> {
  return runInNamespace(namespaceOf(stateFolder, instanceId), command, args);
}
