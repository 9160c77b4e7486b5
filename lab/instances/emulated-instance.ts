import type { LabInstance } from '../aws/emulator-client';

/** One instance as the emulator lists it, for all accounts. Its `tags` carry the lab:* tags that say how it runs. */
export interface EmulatedInstance extends LabInstance {
  /** Absent where the emulator does not tell. */
  privateIpAddress?: string;
}

export type AttachedVolume = LabInstance['volumes'][number];

/** Asks the emulator. Rejects when it does not answer a list within 5 s: a watcher must not hang on a stuck server. */
export async function listEmulatedInstances(awsUrl: string): Promise<EmulatedInstance[]> {
  const address = `${awsUrl}/moto-api/lab/instances`;
  const response = await fetch(address, { signal: AbortSignal.timeout(5000) });
  if (!response.ok) throw new Error(`${address} answered ${response.status}`);
  const body = (await response.json()) as EmulatedInstance[];
  if (!Array.isArray(body)) throw new Error(`${address} did not answer a list`);
  return body;
}
