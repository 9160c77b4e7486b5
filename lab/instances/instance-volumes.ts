import fs from 'node:fs/promises';
import path from 'node:path';

import { outputOf } from '../setup/run-tool';
import type { AttachedVolume, EmulatedInstance } from './emulated-instance';
import { attachLoopDevice, detachLoopDevice, deviceNumbers } from './loop-devices';

/** The name under which Linux on Nitro shows a volume: the id without its dash (AWS: "Make an EBS volume available"). */
export function volumeLinkName(volumeId: string): string {
  return `nvme-Amazon_Elastic_Block_Store_${volumeId.replace('-', '')}`;
}

export function volumeImageFile(stateFolder: string, volumeId: string): string {
  return path.join(stateFolder, 'ebs/volumes', `${volumeId}.img`);
}

/** Whether the instance may only read this volume: its own hint, or tag lab:volumes=read-only of the instance. */
export function isReadOnly(instance: EmulatedInstance, volume: AttachedVolume): boolean {
  return volume.readOnlyHint || instance.tags['lab:volumes'] === 'read-only';
}

/** Makes the volumes of an instance visible to it, one by one. */
export interface VolumeBay {
  attach(volumeId: string, imageFile: string, readOnly: boolean): Promise<void>;
  detach(volumeId: string): Promise<void>;
  /** What could not be given as asked, e.g. a file instead of a block device. */
  notEnforced(): string[];
}

/** Brings a bay to what is attached now. A volume without an image file yet is left for the next call. */
export class VolumeSet {
  private readonly attached = new Set<string>();

  constructor(
    private readonly bay: VolumeBay,
    private readonly stateFolder: string,
  ) {}

  async follow(instance: EmulatedInstance): Promise<void> {
    const wanted = new Map(instance.volumes.map((volume) => [volume.volumeId, volume]));
    for (const volumeId of [...this.attached]) {
      if (wanted.has(volumeId)) continue;
      await this.bay.detach(volumeId);
      this.attached.delete(volumeId);
    }
    for (const volume of wanted.values()) {
      if (this.attached.has(volume.volumeId)) continue;
      const imageFile = volumeImageFile(this.stateFolder, volume.volumeId);
      const exists = await fs.access(imageFile).then(
        () => true,
        () => false,
      );
      if (!exists) continue;
      await this.bay.attach(volume.volumeId, imageFile, isReadOnly(instance, volume));
      this.attached.add(volume.volumeId);
    }
  }

  async detachAll(): Promise<void> {
    for (const volumeId of [...this.attached]) {
      await this.bay.detach(volumeId);
      this.attached.delete(volumeId);
    }
  }
}

/** Volumes as symbolic links in a folder: all that a plain process can be given. */
export class LinkFolderBay implements VolumeBay {
  private readOnlyAsked = false;

  constructor(private readonly folder: string) {}

  async attach(volumeId: string, imageFile: string, readOnly: boolean): Promise<void> {
    this.readOnlyAsked ||= readOnly;
    await fs.mkdir(this.folder, { recursive: true });
    const link = path.join(this.folder, volumeLinkName(volumeId));
    await fs.rm(link, { force: true });
    await fs.symlink(imageFile, link);
  }

  async detach(volumeId: string): Promise<void> {
    await fs.rm(path.join(this.folder, volumeLinkName(volumeId)), { force: true });
  }

  notEnforced(): string[] {
    return this.readOnlyAsked ? ['read-only volumes: documents get the image file itself and could write to it'] : [];
  }
}

/**
 * Volumes as NVMe block devices in a sandbox's own /dev, put there from outside while it runs; where loop devices cannot be
 * had, as files at /dev/volumes (a folder that is mounted read-only when the instance's volumes are).
 */
export class SandboxBay implements VolumeBay {
  private readonly devices = new Map<string, { loop?: string; nvme: number }>();
  private filesInstead = false;

  /**
   * @param devFolder the sandbox's /dev as seen from outside
   * @param filesFolder what the sandbox sees as /dev/volumes
   */
  constructor(
    private readonly devFolder: string,
    private readonly filesFolder: string,
  ) {}

  async attach(volumeId: string, imageFile: string, readOnly: boolean): Promise<void> {
    const link = path.join(this.devFolder, 'disk/by-id', volumeLinkName(volumeId));
    const nvme = this.freeNumber();
    const loop = await attachLoopDevice(imageFile, readOnly);
    if (loop !== undefined) {
      this.devices.set(volumeId, { loop, nvme });
      const { major, minor } = await deviceNumbers(loop);
      const node = path.join(this.devFolder, `nvme${nvme}n1`);
      await fs.rm(node, { force: true });
      if ((await outputOf('mknod', ['-m', '0660', node, 'b', String(major), String(minor)])) === undefined) {
        throw new Error(`no device node ${node} for ${volumeId}: is its file system mounted without devices?`);
      }
      await fs.symlink(`../../nvme${nvme}n1`, link);
      return;
    }
    this.filesInstead = true;
    this.devices.set(volumeId, { nvme });
    // A second name of the same file: the sandbox sees this volume and no other of the lab.
    await fs.link(imageFile, path.join(this.filesFolder, `${volumeId}.img`));
    await fs.symlink(`../../volumes/${volumeId}.img`, link);
  }

  async detach(volumeId: string): Promise<void> {
    const device = this.devices.get(volumeId);
    if (!device) return;
    // The sandbox may be gone already, and its /dev with it.
    await fs
      .rm(path.join(this.devFolder, 'disk/by-id', volumeLinkName(volumeId)), { force: true })
      .catch(() => undefined);
    await fs.rm(path.join(this.devFolder, `nvme${device.nvme}n1`), { force: true }).catch(() => undefined);
    await fs.rm(path.join(this.filesFolder, `${volumeId}.img`), { force: true });
    if (device.loop !== undefined) await detachLoopDevice(device.loop);
    this.devices.delete(volumeId);
  }

  notEnforced(): string[] {
    return this.filesInstead ? ['block devices: no loop devices here, volumes are plain files at /dev/volumes'] : [];
  }

  private freeNumber(): number {
    const taken = new Set([...this.devices.values()].map((device) => device.nvme));
    let number = 0;
    while (taken.has(number)) number += 1;
    return number;
  }
}
