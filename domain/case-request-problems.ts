import { SEVERITIES, type Finding } from './finding';
import { targetProblems } from './target';

type Fields = Record<string, unknown>;

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const textOrUndefined = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** What is wrong with something that should be a `Finding`, one sentence a field; empty when it is sound. */
export function findingProblems(finding: unknown): string[] {
  if (!isObject(finding)) return ['finding must be an object'];
  const problems = ['id', 'type', 'title']
    .filter((field) => !textOrUndefined(finding[field])?.trim())
    .map((field) => `finding.${field} must be text`);
  if (!SEVERITIES.some((severity) => severity === finding.severity)) {
    problems.push(`finding.severity must be one of ${SEVERITIES.join(', ')}`);
  }
  return problems;
}

/** The finding of an `AdditionalFinding` that was sent to a case, or what is wrong with it, one sentence a field. */
export function readFinding(reported: unknown): Finding | string[] {
  const given = isObject(reported) ? reported.finding : undefined;
  const problems = findingProblems(given);
  return problems.length > 0 ? problems : (given as Finding);
}

/**
 * What is wrong with the input of a case; empty when it is sound. Starters validate whole requests with a schema; this
 * guards the workflow itself against a request that was typed into the Temporal UI, without a schema library inside.
 */
export function caseRequestProblems(request: unknown): string[] {
  if (!isObject(request)) return ['the request must be an object'];
  const target = isObject(request.target) ? request.target : {};
  const [accountId, region, instanceId] = ['accountId', 'region', 'instanceId'].map((field) =>
    textOrUndefined(target[field]),
  );
  const problems = targetProblems({
    ...(accountId !== undefined && { accountId }),
    ...(region !== undefined && { region }),
    ...(instanceId !== undefined && { instanceId }),
  });
  problems.push(...findingProblems(request.finding));
  if (!['by-policy', 'acquire', 'acquire-and-isolate'].includes(textOrUndefined(request.requestedAction) ?? '')) {
    problems.push('requestedAction must be one of by-policy, acquire, acquire-and-isolate');
  }
  // Whoever writes it in another way means it too: never take such a request for one to act upon.
  if (request.dryRun !== undefined && request.dryRun !== true) problems.push('dryRun must be true or left out');
  if (!textOrUndefined(request.openedBy)?.trim()) problems.push('openedBy must say who or what opened the case');
  return problems;
}
