import { execFileSync, spawnSync } from 'node:child_process';

/** Whether this machine lets us make block devices of files: superuser, and loop devices that are free. */
export function canMakeLoopDevices(): boolean {
  return process.getuid?.() === 0 && spawnSync('losetup', ['--find']).status === 0;
}

/** A block device of the file's bytes that can be written, as an attached EBS volume can. */
export function writableLoopDevice(file: string): { device: string; detach: () => void } {
  const device = execFileSync('losetup', ['--find', '--show', file], { encoding: 'utf8' }).trim();
  // The kernel remembers a read-only mark beyond the file that it was set for.
  execFileSync('blockdev', ['--setrw', device]);
  return {
    device,
    detach: () => {
      execFileSync('blockdev', ['--setrw', device]);
      execFileSync('losetup', ['--detach', device]);
    },
  };
}

export function isReadOnly(device: string): boolean {
  return execFileSync('blockdev', ['--getro', device], { encoding: 'utf8' }).trim() === '1';
}

/** Whether a write of one block to it succeeds. */
export function canBeWritten(device: string): boolean {
  return spawnSync('dd', ['if=/dev/zero', `of=${device}`, 'bs=512', 'count=1', 'conv=fsync,notrunc']).status === 0;
}
