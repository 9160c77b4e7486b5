import type { InstanceTarget } from '../../domain/target';

/**
 * One open case per instance: a second finding finds the first one's workflow. A dry run stands beside it: a finding that joined
 * one would be lost, since nothing is done there.
 */
export function caseWorkflowId(target: InstanceTarget, dryRun = false): string {
  const id = `forensic-case/${target.accountId}/${target.region}/${target.instanceId}`;
  return dryRun ? `${id}/dry-run` : id;
}

/** A case's own id: instance and start, so that a later case on the same instance has another one. Safe as a file name. */
export function caseIdOf(target: InstanceTarget, startedAt: Date, dryRun = false): string {
  const stamp = startedAt.toISOString().replace(/[-:]/g, '').slice(0, 15).toLowerCase();
  return `${target.instanceId}-${stamp}z${dryRun ? '-dry-run' : ''}`;
}

/** `exhibitId`: `memory`, or `memory-2` for one that is acquired again. */
export const memoryWorkflowId = (caseId: string, exhibitId = 'memory'): string => `${caseId}/${exhibitId}`;
export const diskWorkflowId = (caseId: string, volumeId: string): string => `${caseId}/disk/${volumeId}`;
export const examinationWorkflowId = (caseId: string, exhibitId: string): string =>
  `${caseId}/examination/${exhibitId}`;
