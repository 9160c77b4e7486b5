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

  forget(instanceId: string): void {
    this.agents.delete(instanceId);
  }

  /** The account's managed nodes in the order of registration, without those of instances that are gone. */
  async nodesOf(accountId: string): Promise<ManagedNode[]> {
    const instances = await this.emulator.instances();
    return [...this.agents.values()]
      .map((agent) => this.node(agent, instances?.get(agent.instanceId)))
      .filter((node) => node !== undefined)
      .filter((node) => node.accountId === accountId);
  }

  views(): AgentView[] {
    return [...this.agents.values()].map((agent) => ({
      instanceId: agent.instanceId,
      accountId: agent.accountId,
      pingStatus: this.alive(agent) ? 'Online' : 'ConnectionLost',
      lastPing: new Date(agent.seenAt),
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
      lastPingAt: agent.seenAt,
      registeredAt: agent.registeredAt,
      tags: instance?.tags ?? {},
    };
  }

  private alive(agent: KnownAgent): boolean {
    return this.clock() - agent.seenAt < this.connectionLostMs;
  }
}
