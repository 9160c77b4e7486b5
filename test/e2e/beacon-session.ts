import { setTimeout as sleep } from 'node:timers/promises';
import { BEACON_ADDRESS } from '../../lab/network/internet';
import { networkCounters } from '../../lab/network/packet-counters';
import type { Suspect } from '../../lab/seed/suspect';
import type { TestLab } from './support';

/** Bytes that passed between the instance and the beacon server, both directions, in all of its life. */
async function bytesPassed(lab: TestLab, { instanceId }: Suspect): Promise<number> {
  const counters = await networkCounters(lab.config.stateFolder, instanceId);
  return counters
    .flatMap((eni) => eni.peers)
    .filter((peer) => peer.address === BEACON_ADDRESS)
    .reduce((sum, peer) => sum + peer.fromInstance.accepted.bytes + peer.toInstance.accepted.bytes, 0);
}

/** Looks for up to a minute whether more bytes pass. */
export async function goesOn(lab: TestLab, suspect: Suspect): Promise<boolean> {
  const before = await bytesPassed(lab, suspect);
  for (let look = 0; look < 240; look += 1) {
    await sleep(250);
    if ((await bytesPassed(lab, suspect)) > before) return true;
  }
  return false;
}

/** As many beats as the session had time for, and not one byte of them. */
export async function isSilent(lab: TestLab, suspect: Suspect): Promise<boolean> {
  await sleep(1000); // the rules take effect within half a second
  const before = await bytesPassed(lab, suspect);
  await sleep(5000);
  return (await bytesPassed(lab, suspect)) === before;
}
