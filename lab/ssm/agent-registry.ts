import type { EmulatorLink, InstanceFacts } from './emulator-link';

/** An agent as the lab's other parts see it. */
export interface AgentView {
  instanceId: string;
  accountId: string;
  pingStatus: 'Online' | 'ConnectionLost';
  lastPing: Date;
  agentVersion: string | undefined;
  platformName: string | undefined;
  platformVersion: string | undefined;
  computerName: string | undefined;
  ipAddress: string | undefined;
}

/** What an agent tells about itself (UpdateInstanceInformation). */
export interface AgentReport {
  agentVersion?: string | undefined;
  platformType?: string | undefined;
  platformName?: string | undefined;
  platformVersion?: string | undefined;
  computerName?: string | undefined;
  ipAddress?: string | undefined;
}

/** A managed node: an agent together with what EC2 says about its instance. */
export interface ManagedNode extends AgentReport {
  instanceId: string;
  accountId: string;
  pingStatus: 'Online' | 'ConnectionLost';
  lastPingAt: number;
  registeredAt: number;
  tags: Record<string, string>;
}

/** One process of an agent, as it names itself; the real agent does not. */
export interface AgentSession {
  /** Milliseconds since the epoch, by the instance's clock. */
  startedAt: number;
  id: string;
}

interface KnownAgent {
  instanceId: string;
  accountId: string;
  report: AgentReport;
  seenAt: number;
  registeredAt: number;
}

/** States in which an instance is no managed node any more (SSM API, SendCommand, InvalidInstanceId). */
const GONE = new Set(['shutting-down', 'terminated']);

/** The agents that have called, in memory only. */
export class AgentRegistry {
  private readonly agents = new Map<string, KnownAgent>();
  private readonly sessions = new Map<string, AgentSession>();
  private readonly inProcess = new Set<string>();

  constructor(
    private readonly emulator: EmulatorLink,
    private readonly clock: () => number,
    private readonly connectionLostMs: number,
  ) {}

  /** Notes a sign of life, with what the agent told about itself, if it did. */
  seen(instanceId: string, accountId: string, report: AgentReport = {}): void {
    const known = this.agents.get(instanceId);
    const now = this.clock();
    this.agents.set(instanceId, {
      instanceId,
      accountId,
      report: { ...known?.report, ...report },
      seenAt: now,
      registeredAt: known?.registeredAt ?? now,
    });
  }

  /** An agent that lives in this process is not silent as long as it is there. */
  setInProcess(instanceId: string, present: boolean): void {
    if (present) this.inProcess.add(instanceId);
    else this.inProcess.delete(instanceId);
    const agent = this.agents.get(instanceId);
    if (agent !== undefined) agent.seenAt = this.clock();
  }

  /**
   * Of several agents for one instance the one that started last counts: one that was left behind must not take the
   * messages of its successor.
   */
  claim(instanceId: string, session: AgentSession | undefined): 'current' | 'newer' | 'superseded' {
    const current = this.sessions.get(instanceId);
    if (session === undefined || session.id === current?.id) return 'current';
    if (current !== undefined && session.startedAt < current.startedAt) return 'superseded';
    this.sessions.set(instanceId, session);
    return current === undefined ? 'current' : 'newer';
  }

  forget(instanceId: string): void {
    this.agents.delete(instanceId);
    this.sessions.delete(instanceId);
    this.inProcess.delete(instanceId);
  }

  /** The account's managed nodes of a Region in the order of registration, without those of instances that are gone. */
  async nodesOf(accountId: string, region: string): Promise<ManagedNode[]> {
    const instances = await this.emulator.instances();
    const nodes: ManagedNode[] = [];
    for (const agent of this.agents.values()) {
      const instance = instances?.get(agent.instanceId);
      if (instance !== undefined && instance.region !== region) continue;
      const node = this.node(agent, instance);
      if (node?.accountId === accountId) nodes.push(node);
    }
    return nodes;
  }

  views(): AgentView[] {
    return [...this.agents.values()].map((agent) => ({
      instanceId: agent.instanceId,
      accountId: agent.accountId,
      pingStatus: this.alive(agent) ? 'Online' : 'ConnectionLost',
      lastPing: new Date(this.lastPing(agent)),
      agentVersion: agent.report.agentVersion,
      platformName: agent.report.platformName,
      platformVersion: agent.report.platformVersion,
      computerName: agent.report.computerName,
      ipAddress: agent.report.ipAddress,
    }));
  }

  /** EC2 says whose an instance is; an instance that EC2 does not know belongs to the account of the agent's key. */
  private node(agent: KnownAgent, instance: InstanceFacts | undefined): ManagedNode | undefined {
    if (instance !== undefined && GONE.has(instance.state)) return undefined;
    const running = instance === undefined || instance.state === 'running';
    return {
      ...agent.report,
      instanceId: agent.instanceId,
      accountId: instance?.accountId ?? agent.accountId,
      pingStatus: running && this.alive(agent) ? 'Online' : 'ConnectionLost',
      lastPingAt: this.lastPing(agent),
      registeredAt: agent.registeredAt,
      tags: instance?.tags ?? {},
    };
  }

  private lastPing(agent: KnownAgent): number {
    return this.inProcess.has(agent.instanceId) ? this.clock() : agent.seenAt;
  }

  private alive(agent: KnownAgent): boolean {
    return this.inProcess.has(agent.instanceId) || this.clock() - agent.seenAt < this.connectionLostMs;
  }
}
