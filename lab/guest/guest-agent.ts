import { spawn } from 'node:child_process';
import { mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { forgetProcess, killGroup, recordProcess } from '../instances/process-ledger';

export interface GuestAgentOptions {
  instanceId: string;
  stateFolder: string;
  agentFile: string;
  environment: Record<string, string>;
  log: (message: string) => void;
}

const RESTART_PAUSE_MS = 1000;

/** The SSM agent of a guest. It runs on this machine, as a process of its own, and its scripts run in the guest. */
export class GuestAgent {
  private pid: number | undefined;
  private stopped = false;
  private keeping: Promise<void> | undefined;

  constructor(private readonly options: GuestAgentOptions) {}

  /** Starts it, and again whenever it ends, until stop(). */
  start(): void {
    this.keeping = this.keepRunning().catch((error: unknown) => {
      this.options.log(`agent of ${this.options.instanceId} cannot be kept running: ${String(error)}`);
    });
  }

  async stop(): Promise<void> {
    this.stopped = true;
    if (this.pid !== undefined) killGroup(this.pid);
    await this.keeping;
  }

  private async keepRunning(): Promise<void> {
    while (!this.hasStopped()) {
      await this.runOnce();
      if (!this.hasStopped()) await sleep(RESTART_PAUSE_MS);
    }
  }

  private async runOnce(): Promise<void> {
    const { instanceId, stateFolder, agentFile, environment } = this.options;
    const logs = path.join(stateFolder, 'logs');
    await mkdir(logs, { recursive: true });
    const log = await open(path.join(logs, `instance-${instanceId}.log`), 'a');
    const agent = spawn(process.execPath, [agentFile], {
      detached: true,
      env: environment,
      stdio: ['ignore', log.fd, log.fd],
    });
    const ended = new Promise<void>((resolve) => {
      agent.once('error', () => resolve());
      agent.once('exit', () => resolve());
    });
    await log.close();
    if (agent.pid !== undefined) {
      this.pid = agent.pid;
      await recordProcess(stateFolder, agent.pid, `agent of ${instanceId}`);
      if (this.hasStopped()) killGroup(agent.pid); // stop() came while it was starting
    }
    await ended;
    this.pid = undefined;
    if (agent.pid !== undefined) await forgetProcess(stateFolder, agent.pid);
  }

  private hasStopped(): boolean {
    return this.stopped;
  }
}
