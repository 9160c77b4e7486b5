import path from 'node:path';

import { dropNamespaces } from '../network/namespaces';
import { detachLoopDevice, loopDevicesOf } from './loop-devices';
import { processesWithEnvironment, sweepProcesses } from './process-ledger';

/**
 * Ends what a lab that was killed left behind: its process groups, its instances' documents, its networks, its loop devices.
 * (Mounts live in namespaces and end with their processes.) Only what belongs to this state folder is touched.
 * Returns a line for each thing ended.
 */
export async function sweepLeftovers(stateFolder: string): Promise<string[]> {
  const ended = await sweepProcesses(stateFolder);
  for (const pid of await processesWithEnvironment('LAB_STATE_MARKER', stateFolder)) {
    try {
      process.kill(pid, 'SIGKILL');
      ended.push(`process ${pid} of an instance`);
    } catch {
      // It ended meanwhile.
    }
  }
  ended.push(...(await dropNamespaces(stateFolder)));
  for (const device of await loopDevicesOf(path.join(stateFolder, 'ebs'))) {
    await detachLoopDevice(device);
    ended.push(`loop device ${device}`);
  }
  return ended;
}
