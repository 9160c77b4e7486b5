import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { fixtureSystem } from '../memory-tools/fixture-system';
import { agentEnvironment, agentSettings } from './agent-settings';
import type { EmulatedInstance } from './emulated-instance';
import type { InstanceContext, InstanceRunner } from './instance-runner';
import { LinkFolderBay, VolumeSet } from './instance-volumes';
import { forgetProcess, killGroup, processesWithEnvironment, recordProcess } from './process-ledger';
import type { SandboxOptions } from './sandbox-runner';

/**
 * The reduced mode: an instance is its SSM agent, a plain process group of this machine. Its documents find volumes through
 * FORENSICS_DEVICE_DIR and tools through FORENSIC_TOOLS; nothing is isolated, and the lab's status says so.
 */
export class ProcessRunner implements InstanceRunner {
  private agent: ChildProcess | undefined;
  private agentTimer: NodeJS.Timeout | undefined;
  private bay: LinkFolderBay | undefined;
  private volumes: VolumeSet | undefined;
  private stopped = true;
  private identity = { instanceId: '', stateFolder: '', marker: '' };

  constructor(private readonly options: SandboxOptions) {}

  async start(instance: EmulatedInstance, context: InstanceContext): Promise<void> {
    const agent = agentSettings(instance);
    const devices = path.join(context.instanceFolder, 'devices');
    const temporary = path.join(context.instanceFolder, 'tmp');
    await fs.rm(devices, { recursive: true, force: true });
    await fs.mkdir(devices, { recursive: true });
    await fs.mkdir(temporary, { recursive: true });
    // Tells processes of this lab's instance from those of another lab with the same instance id.
    const marker = `${context.stateFolder}:${instance.instanceId}`;
    this.identity = { instanceId: instance.instanceId, stateFolder: context.stateFolder, marker };
    this.bay = new LinkFolderBay(devices);
    this.volumes = new VolumeSet(this.bay, context.stateFolder);
    await this.volumes.follow(instance);
    this.stopped = false;
    if (!agent.runs) return;

    const environment: NodeJS.ProcessEnv = {
      ...agentEnvironment(instance, context),
      PATH: process.env.PATH,
      HOME: context.instanceFolder,
      TMPDIR: temporary,
      LAB_INSTANCE_MARKER: marker,
      LAB_STATE_MARKER: context.stateFolder,
      LAB_AGENT_ROOT: path.join(context.instanceFolder, 'agent'),
      FORENSICS_DEVICE_DIR: devices,
    };
    const forensic = instance.tags['lab:image'] === 'forensic';
    if (forensic && this.options.forensicTools)
      environment.FORENSIC_TOOLS = path.join(this.options.forensicTools, 'bin');
    if (this.options.fixtureMemory !== undefined) {
      environment.LAB_FIXTURE_MEMORY = this.options.fixtureMemory;
      environment.FORENSICS_SYSTEM_ROOT = await fixtureSystem(this.options.fixtureMemory);
    }
    const run = (): void => void this.keepAgentRunning(context, environment);
    if (agent.delaySeconds > 0) this.agentTimer = setTimeout(run, agent.delaySeconds * 1000);
    else run();
  }

  async update(instance: EmulatedInstance): Promise<void> {
    await this.volumes?.follow(instance);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.agentTimer);
    if (this.agent?.pid !== undefined) killGroup(this.agent.pid);
    // Documents run in process groups of their own and know their instance by the environment that they inherited.
    for (const pid of await processesWithEnvironment('LAB_INSTANCE_MARKER', this.identity.marker)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended meanwhile.
      }
    }
    await this.volumes?.detachAll();
  }

  notEnforced(): string[] {
    const { realAgentFolder } = this.options;
    return [
      // It reads its settings from this machine's /etc, and keeps its state in this machine's /var.
      ...(realAgentFolder === undefined ? [] : [`LAB_SSM_AGENT_DIR: plain processes run the lab's own agent`]),
      ...(this.bay?.notEnforced() ?? []),
    ];
  }

  /** Starts the agent, and again when it ends, until the instance stops. */
  private async keepAgentRunning(context: InstanceContext, environment: NodeJS.ProcessEnv): Promise<void> {
    const { instanceId, stateFolder } = this.identity;
    while (!this.stopped) {
      const log = await fs.open(path.join(stateFolder, 'logs', `instance-${instanceId}.log`), 'a');
      const agent = spawn(process.execPath, [context.agentFile], {
        detached: true,
        cwd: context.instanceFolder,
        env: environment,
        stdio: ['ignore', log.fd, log.fd],
      });
      const ended = new Promise<void>((resolve) => {
        agent.once('error', () => resolve());
        agent.once('exit', () => resolve());
      });
      this.agent = agent;
      await log.close();
      if (agent.pid === undefined) {
        context.log(`agent of ${instanceId} does not start: ${process.execPath} cannot be run`);
        return;
      }
      await recordProcess(stateFolder, agent.pid, `agent of ${instanceId}`);
      // stop() may have come while the agent was starting.
      if (this.hasStopped()) killGroup(agent.pid);
      await ended;
      await forgetProcess(stateFolder, agent.pid);
      if (!this.hasStopped()) await sleep(1000);
    }
  }

  private hasStopped(): boolean {
    return this.stopped;
  }
}
