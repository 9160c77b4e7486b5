import fs from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { InstanceNetworks } from '../network/instance-network';
import { type EmulatedInstance, listEmulatedInstances } from './emulated-instance';
import type { InstanceContext, InstanceRunner, InstanceRunnerRegistry } from './instance-runner';

export interface InstanceHostOptions {
  awsUrl: string;
  ssmUrl: string;
  stateFolder: string;
  cacheFolder: string;
  /** The SSM agent as one JavaScript file. */
  agentFile: string;
  runners: InstanceRunnerRegistry;
  /** The lab's network; absent: instances share this machine's. */
  networks?: InstanceNetworks;
  /** How often the emulator is asked, in milliseconds. Default 200. */
  pollMilliseconds?: number;
  log?: (message: string) => void;
  /** Called after something in instances() changed. */
  onChange?: () => void;
  /** Called when an instance is terminated and all of it is gone from this machine. */
  onTerminated?: (instanceId: string) => void;
}

export type HostedState = 'starting' | 'running' | 'stopped' | 'failed' | 'paper';

export interface HostedInstance {
  instanceId: string;
  accountId: string;
  kind: string;
  state: HostedState;
  volumes: string[];
  /** Why it failed, in words. */
  problem?: string;
  notEnforced: string[];
}

export interface InstanceHost {
  instances(): HostedInstance[];
  /** Ends an instance's SSM agent until startAgent. Rejects when the instance does not run or has no agent to end. */
  killAgent(instanceId: string): Promise<void>;
  startAgent(instanceId: string): Promise<void>;
  /** Ends every instance and the watching. */
  stop(): Promise<void>;
}

const MAX_POLL_MILLISECONDS = 2000;
const START_ATTEMPTS = 3;

/** One instance and what runs it. Steps are queued, so a slow start holds up nobody else. */
class Slot {
  /** What it was made for; the tag that says so may change later. */
  readonly kind: string;
  state: HostedState = 'stopped';
  problem: string | undefined;
  private attempts = 0;
  private retryAt = 0;
  private seen = '';
  private queue: Promise<void> = Promise.resolve();
  private busy = false;

  constructor(
    public instance: EmulatedInstance,
    readonly runner: InstanceRunner | undefined,
    private readonly context: InstanceContext,
    private readonly networks: InstanceNetworks | undefined,
    private readonly changed: () => void,
  ) {
    this.kind = instance.kind;
    if (!runner) this.state = 'paper';
  }

  /** Brings the runner to what the emulator says. Called at every poll; does nothing while a step is under way. */
  follow(instance: EmulatedInstance): void {
    const previousVolumes = this.volumes().join();
    this.instance = instance;
    if (this.volumes().join() !== previousVolumes) this.changed();
    if (!this.runner || this.busy) return;
    const runner = this.runner;
    const shouldRun = instance.state === 'pending' || instance.state === 'running';
    // Files of volumes may appear after the attachment, so a volume-carrying instance is looked at each time.
    const fingerprint = JSON.stringify([instance.volumes, instance.tags, instance.networkInterfaces]);
    if (!shouldRun) {
      this.attempts = 0;
      if (this.state === 'running' || this.state === 'failed') this.step(() => this.end(runner));
    } else if (this.state === 'stopped' || (this.state === 'failed' && this.mayRetry())) {
      this.seen = fingerprint;
      this.step(() => this.begin(runner));
    } else if (this.state === 'running' && (fingerprint !== this.seen || instance.volumes.length > 0)) {
      this.seen = fingerprint;
      this.step(() => this.refresh(runner));
    }
  }

  volumes(): string[] {
    return this.instance.volumes.map((volume) => volume.volumeId);
  }

  /** Ends it for good; `dropped` also removes its folder. */
  async close(dropped: boolean): Promise<void> {
    await this.queue;
    if (this.runner && (this.state === 'running' || this.state === 'failed')) {
      this.step(() => this.end(this.runner as InstanceRunner));
      await this.queue;
    }
    if (dropped) await fs.rm(this.context.instanceFolder, { recursive: true, force: true });
  }

  /** Runs a step of the runner's that its kind may lack, in turn with the others. */
  async agentStep(step: 'killAgent' | 'startAgent'): Promise<void> {
    const { instanceId, kind } = this.instance;
    const { runner } = this;
    while (this.busy) await this.queue;
    if (!runner || this.state !== 'running') throw new Error(`${instanceId} does not run: it is ${this.state}`);
    if (!runner[step]) throw new Error(`an instance of kind ${kind} has no agent that can be ended or started`);
    let failure: unknown;
    this.step(async () => {
      await runner[step]?.().catch((error: unknown) => (failure = error));
    });
    await this.queue;
    if (failure instanceof Error) throw failure;
  }

  private async begin(runner: InstanceRunner): Promise<void> {
    this.attempts += 1;
    this.set('starting');
    await fs.mkdir(this.context.instanceFolder, { recursive: true });
    const { interfaceKind } = runner;
    const network =
      interfaceKind && this.networks ? await this.networks.attach(this.instance.instanceId, interfaceKind) : undefined;
    await runner.start(this.instance, { ...this.context, ...(network ? { network } : {}) });
    this.problem = undefined;
    this.set('running');
    this.context.log(`${this.instance.instanceId} (${this.instance.kind}) runs`);
  }

  /** A change that does not work out (a volume's file is gone) is told and tried again; the instance goes on. */
  private async refresh(runner: InstanceRunner): Promise<void> {
    const problem = await runner.update(this.instance).then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    if (problem === this.problem) return;
    this.problem = problem;
    if (problem !== undefined) this.context.log(`${this.instance.instanceId} (${this.instance.kind}): ${problem}`);
    this.changed();
  }

  private async end(runner: InstanceRunner): Promise<void> {
    await runner.stop();
    await this.networks?.detach(this.instance.instanceId);
    this.set('stopped');
    this.context.log(`${this.instance.instanceId} (${this.instance.kind}) stopped`);
  }

  private mayRetry(): boolean {
    return this.attempts < START_ATTEMPTS && Date.now() >= this.retryAt;
  }

  private step(work: () => Promise<void>): void {
    this.busy = true;
    this.queue = work()
      .catch(async (error: unknown) => {
        this.problem = error instanceof Error ? error.message : String(error);
        this.context.log(`${this.instance.instanceId} (${this.instance.kind}): ${this.problem}`);
        await this.runner?.stop().catch(() => undefined);
        await this.networks?.detach(this.instance.instanceId).catch(() => undefined);
        this.retryAt = Date.now() + 1000 * 2 ** this.attempts;
        this.set('failed');
      })
      .finally(() => (this.busy = false));
  }

  private set(state: HostedState): void {
    this.state = state;
    this.changed();
  }
}

/** Watches the emulator's instances and runs them, each by the runner of its kind. */
export function startInstanceHost(options: InstanceHostOptions): InstanceHost {
  const log = options.log ?? ((): void => undefined);
  const changed = options.onChange ?? ((): void => undefined);
  const interval = options.pollMilliseconds ?? 200;
  const slots = new Map<string, Slot>();
  const closing = new Map<string, Promise<void>>();
  const stopping = new AbortController();

  const newSlot = (instance: EmulatedInstance): Slot => {
    const instanceFolder = path.join(options.stateFolder, 'instances', instance.instanceId);
    const { awsUrl, ssmUrl, stateFolder, cacheFolder, agentFile } = options;
    const context = { awsUrl, ssmUrl, stateFolder, cacheFolder, agentFile, instanceFolder, log };
    return new Slot(instance, options.runners.get(instance.kind)?.(), context, options.networks, changed);
  };
  const drop = (instanceId: string, slot: Slot): void => {
    slots.delete(instanceId);
    const closed = slot
      .close(true)
      .then(() => options.onTerminated?.(instanceId))
      .catch((error: unknown) => log(`${instanceId}: ${String(error)}`))
      .finally(() => closing.delete(instanceId));
    closing.set(instanceId, closed);
    changed();
  };
  const follow = (listed: EmulatedInstance[]): void => {
    const alive = new Map(
      listed
        .filter((instance) => instance.state !== 'terminated' && instance.state !== 'shutting-down')
        .map((instance) => [instance.instanceId, instance]),
    );
    for (const [instanceId, slot] of slots) {
      const instance = alive.get(instanceId);
      if (!instance) drop(instanceId, slot);
      else if (instance.kind !== slot.kind) {
        // Tagged after its launch. What only existed in the API has nothing to be ended.
        if (slot.runner) drop(instanceId, slot);
        else slots.delete(instanceId);
      }
    }
    for (const [instanceId, instance] of alive) {
      if (closing.has(instanceId)) continue;
      let slot = slots.get(instanceId);
      if (!slot) {
        slot = newSlot(instance);
        slots.set(instanceId, slot);
        changed();
      }
      slot.follow(instance);
    }
  };
  const watch = async (): Promise<void> => {
    let failures = 0;
    while (!stopping.signal.aborted) {
      try {
        const listed = await listEmulatedInstances(options.awsUrl);
        failures = 0;
        if (!isAborted(stopping)) follow(listed);
      } catch (error) {
        // A silent emulator says nothing about its instances: they go on.
        if (failures === 0 && !isAborted(stopping)) log(`emulator: ${String(error)}`);
        failures += 1;
      }
      const pause = Math.min(interval * 2 ** Math.min(failures, 10), MAX_POLL_MILLISECONDS);
      await sleep(pause, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  };
  const watching = watch();

  const slotOf = (instanceId: string): Slot => {
    const slot = slots.get(instanceId);
    if (!slot) throw new Error(`no instance ${instanceId} in this lab`);
    return slot;
  };

  return {
    killAgent: async (instanceId) => slotOf(instanceId).agentStep('killAgent'),
    startAgent: async (instanceId) => slotOf(instanceId).agentStep('startAgent'),
    instances: () =>
      [...slots.values()].map((slot) => ({
        instanceId: slot.instance.instanceId,
        accountId: slot.instance.accountId,
        kind: slot.instance.kind,
        state: slot.state,
        volumes: slot.volumes(),
        ...(slot.problem !== undefined ? { problem: slot.problem } : {}),
        notEnforced: slot.runner?.notEnforced() ?? [],
      })),
    async stop() {
      stopping.abort();
      await watching;
      await Promise.all([...closing.values(), ...[...slots.values()].map((slot) => slot.close(false))]);
      slots.clear();
    },
  };
}

function isAborted(controller: AbortController): boolean {
  return controller.signal.aborted;
}
