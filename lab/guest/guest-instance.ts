import { existsSync } from 'node:fs';
import { agentEnvironment, agentSettings, hostName } from '../instances/agent-settings';
import { type AttachedVolume, type EmulatedInstance } from '../instances/emulated-instance';
import { type InstanceContext, type InstanceRunner, type InstanceRunnerFactory } from '../instances/instance-runner';
import { isReadOnly, volumeImageFile } from '../instances/instance-volumes';
import { forgetProcess, recordProcess } from '../instances/process-ledger';
import { type InstanceNetwork } from '../network/instance-network';
import { type Guest, startGuest } from './guest';
import { type GuestInterface, type GuestOptions, type GuestVolume } from './guest-options';
import { type GuestParts } from './guest-parts';
import { inQemuOption } from './qemu-arguments';
import { userModeNetwork } from './user-mode-network';

/** Where the emulator tells no address. */
const DEFAULT_ADDRESS = '10.0.3.17';
const BOOT_SECONDS = 300;

/** What the runner takes of the parts that a guest is made of. */
export type MachineParts = Pick<GuestParts, 'qemu' | 'kernel' | 'initramfs'>;

function portOf(url: string): number {
  return Number(new URL(url).port);
}

/** The network as QEMU and the agent need it. */
interface GuestNetwork {
  interfaces: GuestInterface[];
  ssmUrl: string;
  proxyUrl: string;
  resolver?: string;
  launcher?: string[];
}

function networkOf({ namespace, interfaces, resolver, ssmUrl, proxyUrl }: InstanceNetwork): GuestNetwork {
  return {
    interfaces: interfaces.map(
      ({ networkInterfaceId, macAddress, address, prefixLength, gateway, tapDevice }, index) => {
        if (tapDevice === undefined) throw new Error(`${networkInterfaceId} has no tap device for a guest`);
        return {
          macAddress,
          addresses: [`${address}/${prefixLength}`],
          ...(index === 0 && { gateway }),
          backend: `tap,ifname=${inQemuOption(tapDevice)},script=no,downscript=no`,
        };
      },
    ),
    ssmUrl,
    proxyUrl,
    resolver,
    launcher: ['ip', 'netns', 'exec', namespace],
  };
}

function reducedNetworkOf(instance: EmulatedInstance, context: InstanceContext): GuestNetwork {
  const address = instance.privateIpAddress ?? DEFAULT_ADDRESS;
  // Locally administered, from the address: no two instances of a subnet share it.
  const octets = address.split('.').map((octet) => Number(octet).toString(16).padStart(2, '0'));
  const network = userModeNetwork(`02:00:${octets.join(':')}`, address, {
    aws: portOf(context.awsUrl),
    ssm: portOf(context.ssmUrl),
  });
  return { interfaces: [network.interface], ssmUrl: network.ssmUrl, proxyUrl: network.proxyUrl };
}

/** Runs an instance of kind `guest`: a virtual machine under QEMU that boots its root volume, its SSM agent inside. */
class GuestRunner implements InstanceRunner {
  readonly interfaceKind = 'tap';
  private guest: Guest | undefined;
  private agentTimer: NodeJS.Timeout | undefined;
  private stateFolder = '';
  private isolated = false;

  constructor(private readonly parts: () => Promise<MachineParts>) {}

  /**
   * Resolves when the guest has booted.
   * @throws Error QEMU does not start, an image is missing, or the guest does not boot
   */
  async start(instance: EmulatedInstance, context: InstanceContext): Promise<void> {
    const settings = agentSettings(instance);
    const { instanceId } = instance;
    const { instanceFolder, stateFolder, network: labNetwork } = context;
    const network = labNetwork ? networkOf(labNetwork) : reducedNetworkOf(instance, context);
    const { interfaces, resolver, launcher } = network;
    this.stateFolder = stateFolder;
    this.isolated = labNetwork !== undefined;
    const options: GuestOptions = {
      instanceId,
      stateFolder: instanceFolder,
      volumes: this.volumesOf(instance),
      interfaces,
      ...(resolver !== undefined && { resolver }),
      ...(launcher !== undefined && { launcher }),
      hostname: hostName(instance),
      agent: {
        file: context.agentFile,
        environment: {
          ...agentEnvironment(instance, context),
          LAB_SSM_ENDPOINT: network.ssmUrl,
          http_proxy: network.proxyUrl,
          HOME: '/root',
        },
        atBoot: settings.runs && settings.delaySeconds === 0,
      },
    };
    const guest = await startGuest(await this.parts(), options);
    this.guest = guest;
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
    if (!settings.runs || settings.delaySeconds === 0) return;
    this.agentTimer = setTimeout(() => {
      guest.startAgent().catch((error: unknown) => context.log(`${instanceId}: its agent: ${String(error)}`));
    }, settings.delaySeconds * 1000);
  }

  /** Volumes come and go while the guest runs, except its root volume. */
  async update(instance: EmulatedInstance): Promise<void> {
    const { guest } = this;
    if (!guest?.isRunning()) return;
    const wanted = this.volumesOf(instance);
    const attached = guest.volumes.attached();
    for (const volumeId of attached) {
      if (!wanted.some((volume) => volume.volumeId === volumeId)) await guest.volumes.detach(volumeId);
    }
    for (const volume of wanted) {
      // The file of a new volume may come some time after its attachment.
      if (!attached.includes(volume.volumeId) && existsSync(volume.file)) await guest.volumes.attach(volume);
    }
  }

  /** @throws Error the guest does not answer */
  async killAgent(): Promise<void> {
    await this.running().killAgent();
  }

  /** @throws Error the guest does not answer */
  async startAgent(): Promise<void> {
    await this.running().startAgent();
  }

  async stop(): Promise<void> {
    clearTimeout(this.agentTimer);
    const { guest } = this;
    this.guest = undefined;
    if (guest === undefined) return;
    await guest.stop();
    await forgetProcess(this.stateFolder, guest.pid);
  }

  notEnforced(): string[] {
    if (this.isolated) return [];
    return ["security groups: a guest reaches the lab's two endpoints (and nothing else) whatever its groups say"];
  }

  private running(): Guest {
    if (!this.guest?.isRunning()) throw new Error('the virtual machine does not run');
    return this.guest;
  }

  /** The root volume, /dev/xvda or /dev/sda1, first. */
  private volumesOf(instance: EmulatedInstance): GuestVolume[] {
    const isRoot = ({ device }: AttachedVolume): boolean => /^\/dev\/(xvda|sda1?)$/.test(device);
    return [...instance.volumes]
      .sort((a, b) => Number(isRoot(b)) - Number(isRoot(a)) || a.device.localeCompare(b.device))
      .map((volume) => ({
        volumeId: volume.volumeId,
        file: volumeImageFile(this.stateFolder, volume.volumeId),
        readOnly: isReadOnly(instance, volume),
      }));
  }
}

/**
 * What an instance host registers for the kind `guest`.
 * @param parts gives the guest's parts; asked at every start, so that they may be built late (ensureGuestParts caches)
 */
export function guestRunnerFactory(parts: () => Promise<MachineParts>): InstanceRunnerFactory {
  return () => new GuestRunner(parts);
}
