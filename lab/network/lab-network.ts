import { setTimeout as sleep } from 'node:timers/promises';

import type { InstanceNetwork, InstanceNetworks, InterfaceKind } from './instance-network';
import { InterfaceLink } from './interface-link';
import { InternetNamespace } from './internet';
import { addNamespace, dropNamespace, dropNamespaces, namespaceOf } from './namespaces';
import { NetworkServices } from './network-services';
import { type InterfaceState, type NetworkState, networkState, type VpcState } from './network-state';
import { removeInstanceNetwork, writeInstanceNetwork } from './packet-counters';
import { HTTPS_PORT, vpcAddresses } from './vpc-addresses';
import { VpcRouter } from './vpc-router';

export interface LabNetworkOptions {
  /** URL of the emulator on this machine's loopback address. */
  awsUrl: string;
  ssmUrl: string;
  stateFolder: string;
  /** A Python 3. */
  python: string;
  log?: (message: string) => void;
  /** How often the emulator is asked, in milliseconds. Default 200. */
  pollMilliseconds?: number;
}

/** A network that runs. */
export interface LabNetwork extends InstanceNetworks {
  /** Resolves when what the emulator says now is in force. */
  settled(): Promise<void>;
  /** What does not work although it should; shown by `lab status`. */
  problems(): string[];
  /** Removes all of it: no process, namespace or device is left. */
  stop(): Promise<void>;
}

interface Connected {
  instanceId: string;
  kind: InterfaceKind;
  namespace: string;
  vpcId: string;
  links: Map<string, InterfaceLink>;
}

/** Makes the network of a lab, still without any VPC. Needs root on Linux; see whyNoNetwork. */
export async function startLabNetwork(options: LabNetworkOptions): Promise<LabNetwork> {
  const { stateFolder } = options;
  const log = options.log ?? ((): void => undefined);
  await dropNamespaces(stateFolder);
  const internet = await InternetNamespace.make(stateFolder);
  try {
    const services = await NetworkServices.start({
      python: options.python,
      aws: new URL(options.awsUrl).host,
      ssm: new URL(options.ssmUrl).host,
      internetNamespace: internet.namespace,
      stateFolder,
      log,
    });
    return new RunningNetwork(options, log, internet, services);
  } catch (error) {
    await internet.remove();
    throw error;
  }
}

class RunningNetwork implements LabNetwork {
  private readonly connected = new Map<string, Connected>();
  private readonly routers = new Map<string, VpcRouter>();
  private readonly stopping = new AbortController();
  private readonly watching: Promise<void>;
  /** Steps never overlap: each sees the devices that the one before it left. */
  private queue: Promise<unknown> = Promise.resolve();
  private lastState = '';
  private problem: string | undefined;

  constructor(
    private readonly options: LabNetworkOptions,
    private readonly log: (message: string) => void,
    private readonly internet: InternetNamespace,
    private readonly services: NetworkServices,
  ) {
    this.watching = this.watch();
  }

  attach(instanceId: string, kind: InterfaceKind): Promise<InstanceNetwork> {
    return this.inTurn(async () => {
      const state = await networkState(this.options.awsUrl);
      const { vpc, interfaces } = interfacesOf(state, instanceId);
      let connected = this.connected.get(instanceId);
      if (!connected) {
        const namespace = namespaceOf(this.options.stateFolder, instanceId);
        await dropNamespace(namespace);
        await addNamespace(namespace);
        connected = { instanceId, kind, namespace, vpcId: vpc.vpcId, links: new Map() };
        this.connected.set(instanceId, connected);
      }
      try {
        await this.plug(connected, vpc, interfaces);
        await this.follow({ vpcs: [vpc] });
        const network = describe(connected, vpc);
        await writeInstanceNetwork(this.options.stateFolder, instanceId, network);
        return network;
      } catch (error) {
        await this.unplug(connected);
        throw error;
      }
    });
  }

  detach(instanceId: string): Promise<void> {
    return this.inTurn(async () => {
      const connected = this.connected.get(instanceId);
      if (connected) await this.unplug(connected);
    });
  }

  settled(): Promise<void> {
    return this.inTurn(async () => this.follow(await networkState(this.options.awsUrl)));
  }

  problems(): string[] {
    return [this.services.problem(), this.problem].filter((problem) => problem !== undefined);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.watching;
    await this.inTurn(async () => {
      for (const connected of [...this.connected.values()]) await this.unplug(connected);
      await this.services.stop();
      await this.internet.remove();
      await dropNamespaces(this.options.stateFolder);
    });
  }

  private inTurn<T>(step: () => Promise<T>): Promise<T> {
    const result = this.queue.then(step);
    this.queue = result.catch(() => undefined);
    return result;
  }

  private async watch(): Promise<void> {
    const interval = this.options.pollMilliseconds ?? 200;
    const { signal } = this.stopping;
    const pause = (): Promise<boolean> => sleep(interval, true, { signal }).catch(() => false); // false: it is to stop
    while (await pause()) {
      if (this.connected.size === 0) continue;
      const problem = await this.inTurn(() => this.look()).then(
        () => undefined,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
      if (problem !== undefined && problem !== this.problem) this.log(`network: ${problem}`);
      this.problem = problem;
    }
  }

  private async look(): Promise<void> {
    const state = await networkState(this.options.awsUrl);
    const text = JSON.stringify(state);
    if (text === this.lastState) return;
    this.lastState = '';
    await this.plugChanges(state);
    await this.follow(state);
    // Only now: a step that failed is tried again at the next look.
    this.lastState = text;
  }

  /** Interfaces that were attached to or detached from a sandbox while it runs. A guest keeps those of its start. */
  private async plugChanges(state: NetworkState): Promise<void> {
    for (const connected of this.connected.values()) {
      if (connected.kind !== 'veth') continue;
      const vpc = state.vpcs.find((one) => one.vpcId === connected.vpcId);
      const interfaces = vpc?.interfaces.filter((eni) => eni.instanceId === connected.instanceId) ?? [];
      if (!vpc || interfaces.length === 0) continue;
      const before = [...connected.links.keys()].join();
      await this.plug(connected, vpc, interfaces);
      if ([...connected.links.keys()].join() === before) continue;
      await writeInstanceNetwork(this.options.stateFolder, connected.instanceId, describe(connected, vpc));
    }
  }

  private async plug(connected: Connected, vpc: VpcState, interfaces: InterfaceState[]): Promise<void> {
    const { stateFolder } = this.options;
    for (const [id, link] of connected.links) {
      if (interfaces.some((eni) => eni.networkInterfaceId === id)) continue;
      await link.remove();
      connected.links.delete(id);
    }
    for (const eni of interfaces) {
      if (connected.links.has(eni.networkInterfaceId)) continue;
      if (!this.routers.has(vpc.vpcId)) {
        this.routers.set(vpc.vpcId, await VpcRouter.make(stateFolder, vpc, this.internet, this.services));
      }
      const link = await InterfaceLink.make(stateFolder, connected.namespace, vpc, eni, connected.kind);
      connected.links.set(eni.networkInterfaceId, link);
    }
  }

  /** Brings the rules of all that is connected to what the emulator says. Goes on after a failure, then throws the first. */
  private async follow(state: NetworkState): Promise<void> {
    const links = new Map([...this.connected.values()].flatMap(({ links: own }) => [...own]));
    const failures: unknown[] = [];
    const attempt = (step: Promise<void>): Promise<void> => step.catch((error: unknown) => void failures.push(error));
    for (const vpc of state.vpcs) {
      const router = this.routers.get(vpc.vpcId);
      if (!router) continue;
      const interfaces = vpc.interfaces.filter((eni) => links.has(eni.networkInterfaceId));
      // Security groups first: while an isolation comes into force, the way is not opened anywhere else.
      await Promise.all(
        interfaces.map((eni) => attempt(links.get(eni.networkInterfaceId)?.follow(vpc, eni) ?? Promise.resolve())),
      );
      await attempt(router.follow(vpc, interfaces));
    }
    if (failures.length > 0) throw failures[0];
  }

  private async unplug(connected: Connected): Promise<void> {
    const { stateFolder } = this.options;
    this.connected.delete(connected.instanceId);
    await removeInstanceNetwork(stateFolder, connected.instanceId);
    for (const link of connected.links.values()) await link.remove();
    await dropNamespace(connected.namespace);
    const router = this.routers.get(connected.vpcId);
    if (!router || [...this.connected.values()].some(({ vpcId }) => vpcId === connected.vpcId)) return;
    this.routers.delete(connected.vpcId);
    await router.remove();
  }
}

function interfacesOf(state: NetworkState, instanceId: string): { vpc: VpcState; interfaces: InterfaceState[] } {
  for (const vpc of state.vpcs) {
    const interfaces = vpc.interfaces
      .filter((eni) => eni.instanceId === instanceId)
      .sort((a, b) => a.deviceIndex - b.deviceIndex);
    if (interfaces.length > 0) return { vpc, interfaces };
  }
  throw new Error(`${instanceId} has no network interface in the emulator`);
}

function describe(connected: Connected, vpc: VpcState): InstanceNetwork {
  const { resolvers, ssm, proxy } = vpcAddresses(vpc);
  const interfaces = [...connected.links.values()].map((link) => link.asSeenInside);
  return {
    namespace: connected.namespace,
    interfaces: interfaces.sort((a, b) => a.device.localeCompare(b.device)),
    resolver: resolvers[0],
    ssmUrl: `http://${ssm}:${HTTPS_PORT}`,
    proxyUrl: `http://${proxy}:${HTTPS_PORT}`,
  };
}
