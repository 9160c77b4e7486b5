import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { agentEnvironment, agentSettings, hostName } from '../instances/agent-settings';
import { type EmulatedInstance } from '../instances/emulated-instance';
import { type InstanceContext, type InstanceRunner, type InstanceRunnerFactory } from '../instances/instance-runner';
import { volumeImageFile } from '../instances/instance-volumes';
import { forgetProcess, recordProcess } from '../instances/process-ledger';
import { type Guest, startGuest } from './guest';
import { GuestAgent } from './guest-agent';
import { type GuestVolume } from './guest-options';
import { type GuestParts } from './guest-parts';
import { SOCKET_PATH_LIMIT } from './qemu-arguments';

/** Where the emulator tells no address. */
const DEFAULT_ADDRESS = '10.0.3.17';
const BOOT_SECONDS = 180;

function volumesOf(instance: EmulatedInstance, stateFolder: string): GuestVolume[] {
  return [...instance.volumes]
    .sort((a, b) => a.device.localeCompare(b.device)) // /dev/xvda, the root volume, comes first
    .map(({ volumeId }) => ({ volumeId, file: volumeImageFile(stateFolder, volumeId) }));
}

/** In the instance's folder; where that path is too long for a socket, in the folder for temporary files. */
function channelSocketOf(instanceFolder: string): string {
  const usual = path.join(instanceFolder, 'channel.sock');
  if (Buffer.byteLength(usual) <= SOCKET_PATH_LIMIT) return usual;
  const name = createHash('sha256').update(instanceFolder).digest('hex').slice(0, 16);
  return path.join(tmpdir(), `lab-guest-${name}.sock`);
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}

/** Runs an instance of kind `guest`: a virtual machine under QEMU, and its SSM agent beside it. */
class GuestRunner implements InstanceRunner {
  private guest: Guest | undefined;
  private agent: GuestAgent | undefined;
  private agentTimer: NodeJS.Timeout | undefined;
  private stateFolder = '';
  private bootedWith = '';
  private volumesChanged = false;

  constructor(private readonly parts: () => Promise<GuestParts>) {}

  /**
   * Resolves when the guest has booted.
   * @throws Error QEMU does not start, an image is missing, or the guest does not boot
   */
  async start(instance: EmulatedInstance, context: InstanceContext): Promise<void> {
    const settings = agentSettings(instance);
    const { instanceId } = instance;
    const { instanceFolder, stateFolder } = context;
    const channelSocket = channelSocketOf(instanceFolder);
    const volumes = volumesOf(instance, stateFolder);
    const guest = await startGuest(await this.parts(), {
      instanceId,
      stateFolder: instanceFolder,
      volumes,
      channelSocket,
      forwardPorts: [portOf(context.awsUrl), portOf(context.ssmUrl)],
      hostname: hostName(instance),
      address: instance.privateIpAddress ?? DEFAULT_ADDRESS,
    });
    this.guest = guest;
    this.stateFolder = stateFolder;
    this.bootedWith = this.volumeIds(instance);
    this.volumesChanged = false;
    try {
      await recordProcess(stateFolder, guest.pid, `guest of ${instanceId}`);
      await guest.waitReady(BOOT_SECONDS);
    } catch (error) {
      await this.stop();
      throw error;
    }
    void guest.ended.then(() => {
      if (this.guest === guest) context.log(`${instanceId}: its virtual machine has ended, see ${guest.consoleLog}`);
    });
    if (!settings.runs) return;

    const environment = {
      ...agentEnvironment(instance, context),
      PATH: process.env.PATH ?? '/usr/bin:/bin',
      HOME: instanceFolder,
      LAB_AGENT_CHANNEL: channelSocket,
      LAB_AGENT_ROOT: path.join(instanceFolder, 'agent'),
      LAB_STATE_MARKER: stateFolder,
    };
    const { agentFile, log } = context;
    this.agent = new GuestAgent({ instanceId, stateFolder, agentFile, environment, log });
    const run = (): void => this.agent?.start();
    if (settings.delaySeconds > 0) this.agentTimer = setTimeout(run, settings.delaySeconds * 1000);
    else run();
  }

  /** A running guest keeps the volumes that it booted with. */
  update(instance: EmulatedInstance): Promise<void> {
    this.volumesChanged = this.volumeIds(instance) !== this.bootedWith;
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    clearTimeout(this.agentTimer);
    const { agent, guest } = this;
    this.agent = undefined;
    this.guest = undefined;
    await agent?.stop();
    if (guest === undefined) return;
    await guest.stop();
    await forgetProcess(this.stateFolder, guest.pid);
  }

  notEnforced(): string[] {
    const gaps = [
      "security groups: a guest reaches the lab's two endpoints (and nothing else) whatever its groups say",
    ];
    if (this.volumesChanged)
      gaps.push('volumes attached or detached while the guest runs: it sees them after a restart');
    return gaps;
  }

  private volumeIds(instance: EmulatedInstance): string {
    return instance.volumes
      .map(({ volumeId }) => volumeId)
      .sort()
      .join();
  }
}

/**
 * What an instance host registers for the kind `guest`.
 * @param parts gives the guest's parts; asked at every start, so that they may be built late (ensureGuestParts caches)
 */
export function guestRunnerFactory(parts: () => Promise<GuestParts>): InstanceRunnerFactory {
  return () => new GuestRunner(parts);
}
