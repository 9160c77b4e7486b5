import fs from 'node:fs/promises';
import path from 'node:path';

import { labAgentPlan } from '../agent/agent-plan';
import { realAgentPlan } from '../agent/real-agent';
import { fixtureSystem } from '../memory-tools/fixture-system';
import { agentEnvironment, agentSettings, hostName } from './agent-settings';
import type { EmulatedInstance } from './emulated-instance';
import type { InstanceContext, InstanceRunner } from './instance-runner';
import { SandboxBay, VolumeSet } from './instance-volumes';
import { requireVisible } from './program-visibility';
import { endAgent } from './sandbox-agent';
import { type RunningSandbox, startSandbox } from './sandbox-namespaces';

export interface SandboxOptions {
  /** Tool folder of the forensic image, for instances with tag lab:image=forensic. */
  forensicTools?: string;
  /** Further host folders that must be visible inside: where Python lives. */
  visible?: string[];
  /** Programs of this machine that documents run; their absence is told before the start. */
  programs?: string[];
  /** A memory image that instances of kind `fixture` can read, named by LAB_FIXTURE_MEMORY. */
  fixtureMemory?: string;
  /** Folder of an amazon-ssm-agent (realAgentFolder) that runs in place of the lab's agent. */
  realAgentFolder?: string;
}

const FIXTURES_INSIDE = '/opt/lab-fixtures';
/** While it lies in the sandbox's /run, sandbox-init.sh starts no agent. */
const STOPPED_MARK = 'ssm-agent-stopped';

/**
 * Runs an instance in namespaces of its own, with a writable overlay of this machine's system as its disk.
 * The overlay is kept while the instance is stopped, as EC2 keeps a root volume, and dropped with the instance.
 */
export class SandboxRunner implements InstanceRunner {
  readonly interfaceKind = 'veth';
  private sandbox: RunningSandbox | undefined;
  private bay: SandboxBay | undefined;
  private volumes: VolumeSet | undefined;
  private agentProcesses: string[] = [];
  private notHeldBack: string[] = [];

  constructor(private readonly options: SandboxOptions) {}

  async start(instance: EmulatedInstance, context: InstanceContext): Promise<void> {
    const agent = agentSettings(instance);
    const forensic = instance.tags['lab:image'] === 'forensic';
    if (forensic && this.options.forensicTools === undefined) {
      throw new Error(`${instance.instanceId} asks for the forensic image, whose tools are not set up in this lab`);
    }
    const { realAgentFolder } = this.options;
    const plan =
      realAgentFolder === undefined
        ? labAgentPlan(context.agentFile)
        : realAgentPlan({
            ...instance,
            agentFolder: realAgentFolder,
            ssmUrl: context.network?.ssmUrl ?? context.ssmUrl,
          });
    this.agentProcesses = plan.processes;
    this.notHeldBack =
      realAgentFolder !== undefined && agent.replyDelayMilliseconds > 0
        ? [`tag lab:agent=slow of ${instance.instanceId}: an amazon-ssm-agent replies at once`]
        : [];
    const environment: Record<string, string> = {
      ...agentEnvironment(instance, context),
      ...plan.environment,
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: '/root',
    };
    const memory = this.options.fixtureMemory;
    if (memory !== undefined) {
      environment.LAB_FIXTURE_MEMORY = path.join(FIXTURES_INSIDE, path.basename(memory));
      environment.FORENSICS_SYSTEM_ROOT = path.join(FIXTURES_INSIDE, path.basename(await fixtureSystem(memory)));
    }
    const visible = [path.dirname(process.execPath), ...(this.options.visible ?? [])];
    await requireVisible([process.execPath, ...(this.options.programs ?? [])], visible);
    const sandbox = await startSandbox({
      instanceId: instance.instanceId,
      stateFolder: context.stateFolder,
      instanceFolder: context.instanceFolder,
      hostname: hostName(instance),
      volumesReadOnly: instance.tags['lab:volumes'] === 'read-only',
      visible,
      ...(forensic && this.options.forensicTools ? { forensicTools: this.options.forensicTools } : {}),
      ...(memory !== undefined ? { fixtures: path.dirname(memory) } : {}),
      ...(agent.runs ? { agent: plan } : {}),
      agentDelaySeconds: agent.delaySeconds,
      agentEnvironment: environment,
      ...(context.network ? { network: context.network } : {}),
    });
    this.sandbox = sandbox;
    this.bay = new SandboxBay(sandbox.devFolder, sandbox.filesFolder);
    this.volumes = new VolumeSet(this.bay, context.stateFolder);
    await this.volumes.follow(instance);
  }

  async update(instance: EmulatedInstance): Promise<void> {
    await this.volumes?.follow(instance);
  }

  async stop(): Promise<void> {
    // The sandbox first: a loop device that a document holds open could not be detached.
    await this.sandbox?.stop();
    this.sandbox = undefined;
    await this.volumes?.detachAll();
  }

  async killAgent(): Promise<void> {
    const { pid, runFolder } = this.running();
    await fs.writeFile(path.join(runFolder, STOPPED_MARK), '');
    await endAgent(pid, this.agentProcesses);
  }

  async startAgent(): Promise<void> {
    await fs.rm(path.join(this.running().runFolder, STOPPED_MARK), { force: true });
  }

  private running(): RunningSandbox {
    if (!this.sandbox) throw new Error('the sandbox does not run');
    return this.sandbox;
  }

  notEnforced(): string[] {
    return [...this.notHeldBack, ...(this.bay?.notEnforced() ?? [])];
  }
}
