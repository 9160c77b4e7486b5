import { setTimeout as sleep } from 'node:timers/promises';
import { type EmulatedInstance, listEmulatedInstances } from '../instances/emulated-instance';
import type { InProcessAgents } from '../ssm/server';
import { PaperAgent } from './paper-agent';
import { PAPER_PLATFORM } from './scripted-executor';
import { ScriptedReplies } from './scripted-replies';

export interface PaperAgentsOptions {
  awsUrl: string;
  /** Where the agents register: SsmServer.inProcess. */
  server: InProcessAgents;
  /** YAML, see scripted-replies.yaml, which is the default. */
  repliesFile?: string;
  /** The least pause between two looks at the emulator's instances, in milliseconds. Default 1000. */
  pollMilliseconds?: number;
  log?: (line: string) => void;
}

export interface PaperAgents {
  /** How many are registered now. */
  count(): number;
  stop(): Promise<void>;
}

/** A list of thousands takes the emulator a while: it is asked so seldom that this is a small part of its time. */
const PAUSE_FACTOR = 20;
const SCRIPTED = /^scripted(?::(.+))?$/;
const AGENT_VERSION = '3.3.0.0';

/**
 * The agents of all paper instances with the tag `lab:agent=scripted` or `lab:agent=scripted:<scenario>`, in one object of
 * this process: thousands of them cost neither processes nor connections.
 *
 * @throws Error if the file of replies cannot be used.
 */
export async function startPaperAgents(options: PaperAgentsOptions): Promise<PaperAgents> {
  const replies = await ScriptedReplies.read(options.repliesFile);
  const fleet = new Fleet(options.server, replies, options.log ?? ((): void => undefined));
  const stopping = new AbortController();
  const watching = watch(options, fleet, stopping.signal);
  return {
    count: () => fleet.count(),
    stop: async () => {
      stopping.abort();
      await watching;
      fleet.follow([]);
    },
  };
}

async function watch(options: PaperAgentsOptions, fleet: Fleet, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    const before = performance.now();
    // A silent emulator says nothing about its instances: they go on.
    const listed = await listEmulatedInstances(options.awsUrl).catch(() => undefined);
    if (listed !== undefined && !isAborted(stop)) fleet.follow(listed);
    const pause = Math.max(options.pollMilliseconds ?? 1000, PAUSE_FACTOR * (performance.now() - before));
    await sleep(pause, undefined, { signal: stop }).catch(() => undefined);
  }
}

function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

class Fleet {
  private readonly agents = new Map<string, PaperAgent>();
  private readonly complained = new Set<string>();

  constructor(
    private readonly server: InProcessAgents,
    private readonly replies: ScriptedReplies,
    private readonly log: (line: string) => void,
  ) {}

  count(): number {
    return this.agents.size;
  }

  /** Registers what is new and runs, and takes away what is no more, is stopped, or has another scenario. */
  follow(listed: EmulatedInstance[]): void {
    const wanted = new Map<string, { instance: EmulatedInstance; scenario: string }>();
    for (const instance of listed) {
      const scenario = instance.state === 'running' ? this.scenarioOf(instance) : undefined;
      if (scenario !== undefined) wanted.set(instance.instanceId, { instance, scenario });
    }
    for (const [instanceId, agent] of this.agents) {
      if (wanted.get(instanceId)?.scenario !== agent.scenario) this.remove(instanceId, agent);
    }
    for (const { instance, scenario } of wanted.values()) {
      if (!this.agents.has(instance.instanceId)) this.add(instance, scenario);
    }
  }

  private scenarioOf(instance: EmulatedInstance): string | undefined {
    if (instance.kind !== 'paper') return undefined;
    const match = SCRIPTED.exec(instance.tags['lab:agent'] ?? '');
    if (match === null) return undefined;
    const scenario = match[1] ?? 'default';
    if (this.replies.has(scenario)) return scenario;
    if (!this.complained.has(instance.instanceId)) {
      this.complained.add(instance.instanceId);
      this.log(`${instance.instanceId}: its tag lab:agent names the scenario ${scenario}, which has no replies`);
    }
    return undefined;
  }

  private add(instance: EmulatedInstance, scenario: string): void {
    const { instanceId, privateIpAddress: ipAddress = '' } = instance;
    const agent = new PaperAgent(instanceId, scenario, this.replies, this.server);
    this.agents.set(instanceId, agent);
    const report = {
      agentVersion: AGENT_VERSION,
      platformType: 'Linux',
      platformName: PAPER_PLATFORM.name,
      platformVersion: PAPER_PLATFORM.version,
      computerName: `ip-${ipAddress.replaceAll('.', '-')}`,
      ipAddress,
    };
    this.server.register(instanceId, instance.accountId, report, (message) => {
      agent.take(message).catch((error: unknown) => this.log(`${instanceId}: ${String(error)}`));
    });
  }

  private remove(instanceId: string, agent: PaperAgent): void {
    agent.stop();
    this.agents.delete(instanceId);
    this.server.unregister(instanceId);
  }
}
