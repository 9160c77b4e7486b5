import { guestRunnerFactory } from '../guest/guest-instance';
import { ensureGuestParts, type GuestParts } from '../guest/guest-parts';
import type { IsolationMode } from './isolation-mode';
import type { InstanceRunner, InstanceRunnerRegistry } from './instance-runner';
import { ProcessRunner } from './process-runner';
import { type SandboxOptions, SandboxRunner } from './sandbox-runner';

/**
 * What this machine can run, by kind. A kind that is not here (`paper`) exists in the API only. A guest's parts are asked
 * for at its start: where they cannot be had, that instance fails and says why, and the lab goes on.
 */
export function instanceRunners(
  mode: IsolationMode,
  cacheFolder: string,
  options: SandboxOptions,
): InstanceRunnerRegistry {
  const make = (settings: SandboxOptions): InstanceRunner =>
    mode === 'namespaces' ? new SandboxRunner(settings) : new ProcessRunner(settings);
  const { fixtureMemory, ...sandbox } = options;
  const guestParts = (): Promise<GuestParts> => ensureGuestParts(cacheFolder);
  const registry: InstanceRunnerRegistry = new Map([
    ['sandbox', () => make(sandbox)],
    ['guest', guestRunnerFactory(guestParts)],
  ]);
  if (fixtureMemory !== undefined) registry.set('fixture', () => make({ ...sandbox, fixtureMemory }));
  return registry;
}
