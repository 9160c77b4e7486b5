import type { ManagedNode } from './agent-registry';
import { AwsError, invalidRequest } from './aws-error';
import type { RequestBody } from './request';

/** One member of `Targets`: nodes that have one of the values. Several targets narrow each other. */
export interface Target {
  key: string;
  values: string[];
}

/** Limits of the API model (SSM API, Target). */
const MOST_TARGETS = 5;
const MOST_VALUES = 50;
const LONGEST_KEY = 163;

/** @throws AwsError ValidationException for a key that SSM or this server does not know. */
export function requestedTargets(body: RequestBody): Target[] {
  const targets = body
    .objects('Targets')
    .map((target) => ({ key: target.text('Key'), values: target.texts('Values') }));
  if (targets.length > MOST_TARGETS) throw invalidRequest(`Targets has more than ${MOST_TARGETS} items.`);
  for (const target of targets) checkTarget(target);
  return targets;
}

function checkTarget({ key, values }: Target): void {
  if (key.length > LONGEST_KEY) throw invalidRequest(`The target key is longer than ${LONGEST_KEY} characters.`);
  if (values.length === 0) throw invalidRequest(`The target ${key} has no values.`);
  if (values.length > MOST_VALUES) throw invalidRequest(`The target ${key} has more than ${MOST_VALUES} values.`);
  if (key.startsWith('resource-groups:')) {
    throw invalidRequest(`The target key ${key}: the lab has no resource groups; use tag:<name> or InstanceIds.`);
  }
  if (key === 'InstanceIds' || key === 'tag-key' || /^tag:.+/.test(key)) return;
  throw invalidRequest(`The target key ${key} is none of InstanceIds, tag-key, tag:<name>.`);
}

/** The nodes that match every target, in the order of their registration. */
export function matchingNodes(nodes: ManagedNode[], targets: Target[]): ManagedNode[] {
  return nodes.filter((node) => targets.every((target) => matches(node, target)));
}

function matches(node: ManagedNode, { key, values }: Target): boolean {
  if (key === 'InstanceIds') return values.includes(node.instanceId);
  if (key === 'tag-key') return values.some((name) => Object.hasOwn(node.tags, name));
  const value = node.tags[key.slice('tag:'.length)];
  return value !== undefined && values.includes(value);
}

/** At most 50 ids can be named in a call, each once (SSM API, SendCommand). */
export function requestedInstances(body: RequestBody): string[] {
  const instanceIds = body.texts('InstanceIds');
  if (instanceIds.length > MOST_VALUES) throw invalidRequest(`InstanceIds has more than ${MOST_VALUES} items.`);
  const twice = instanceIds.find((instanceId, position) => instanceIds.indexOf(instanceId) !== position);
  if (twice !== undefined) throw new AwsError('DuplicateInstanceId', `Duplicate instance id: ${twice}`);
  return instanceIds;
}
