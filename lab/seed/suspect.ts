import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { AccountClients } from './account-clients';
import { guardDutyEvent } from './guardduty-finding';
import { launchInstances, type LaunchedInstance, type LaunchSettings } from './launch';

export interface Suspect extends LaunchedInstance {
  /** A GuardDuty finding about it in its EventBridge envelope. */
  findingFile: string;
}

/** Launches one instance in the member account and writes the finding that accuses it. */
export async function launchSuspect(member: AccountClients, settings: LaunchSettings): Promise<Suspect> {
  const [instance] = await launchInstances(member, { ...settings, count: 1 });
  if (!instance) throw new Error('RunInstances answered no instance');
  const findingFile = path.join(settings.stateFolder, `finding-${instance.instanceId}.json`);
  await writeFile(findingFile, JSON.stringify(guardDutyEvent(instance.instanceId), null, 2));
  return { ...instance, findingFile };
}
