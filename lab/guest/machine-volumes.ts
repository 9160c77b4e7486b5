import { type GuestVolume } from './guest-options';
import { type MachineMonitor, MonitorError } from './machine-monitor';

/** How many volumes can be attached to a guest at once. EC2's own limit is 27 beside one network interface. */
export const VOLUME_SLOTS = 12;

export const slotName = (slot: number): string => `slot${slot}`;
const serialOf = (volumeId: string): string => volumeId.replace('-', '');

/**
 * A volume as an image file without a format. What the guest has written is in the file at once, for whoever reads it on this
 * machine (a snapshot); `no-flush` spares the wait for this machine's disk, which only a power cut would need.
 */
export function volumeBackend({ volumeId, file, readOnly }: GuestVolume): object {
  return {
    driver: 'raw',
    'node-name': serialOf(volumeId),
    'read-only': readOnly,
    discard: 'unmap',
    cache: { 'no-flush': true, direct: false },
    file: { driver: 'file', filename: file, discard: 'unmap', 'read-only': readOnly },
  };
}

/** The volume as an NVMe device with its id as serial number, as EBS shows it to a Nitro instance. */
export function volumeDevice(volumeId: string, slot: number): object {
  const serial = serialOf(volumeId);
  return { driver: 'nvme', id: `device-${serial}`, drive: serial, serial, bus: slotName(slot) };
}

/** Attaches volumes to a running guest, and detaches them. */
export class MachineVolumes {
  private readonly slots = new Map<string, number>();

  /** @param booted the volumes that the machine started with, in the order of their slots */
  constructor(
    private readonly monitor: () => Promise<MachineMonitor>,
    booted: readonly GuestVolume[],
  ) {
    for (const [slot, { volumeId }] of booted.entries()) this.slots.set(volumeId, slot);
  }

  attached(): string[] {
    return [...this.slots.keys()];
  }

  /** @throws Error every slot is taken, or QEMU refused */
  async attach(volume: GuestVolume): Promise<void> {
    const { volumeId } = volume;
    const taken = new Set(this.slots.values());
    const slot = Array.from({ length: VOLUME_SLOTS }, (_, index) => index).find((index) => !taken.has(index));
    if (slot === undefined) throw new Error(`${volumeId}: a guest of the lab has room for ${VOLUME_SLOTS} volumes`);
    const monitor = await this.monitor();
    await monitor.execute('blockdev-add', volumeBackend(volume));
    try {
      await monitor.execute('device_add', volumeDevice(volumeId, slot));
    } catch (error) {
      await monitor.execute('blockdev-del', { 'node-name': serialOf(volumeId) });
      throw error;
    }
    this.slots.set(volumeId, slot);
  }

  /** Pulls the volume out, whatever the guest does with it: DetachVolume's Force. @throws Error QEMU refused */
  async detach(volumeId: string): Promise<void> {
    const id = `device-${serialOf(volumeId)}`;
    const monitor = await this.monitor();
    try {
      await monitor.execute('device_del', { id });
      await monitor.waitRemoved(id);
    } catch (error) {
      if (!(error instanceof MonitorError && error.errorClass === 'DeviceNotFound')) throw error;
    }
    await monitor.execute('blockdev-del', { 'node-name': serialOf(volumeId) });
    this.slots.delete(volumeId);
  }
}
