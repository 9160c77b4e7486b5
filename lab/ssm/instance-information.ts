import type { ManagedNode } from './agent-registry';
import { AwsError, invalidRequest } from './aws-error';
import { seconds } from './command-views';
import { page, type PageLimits } from './paging';
import type { JsonObject, RequestBody } from './request';
import type { Caller, RunCommandParts } from './send-command';

const NODES_A_PAGE: PageLimits = { fallback: 10, least: 5, most: 50 };

/** DescribeInstanceInformation: the caller's managed nodes, ten a page unless asked otherwise. */
export async function describeInstanceInformation(
  parts: RunCommandParts,
  caller: Caller,
  body: RequestBody,
): Promise<JsonObject> {
  const legacy = body.objects('InstanceInformationFilterList');
  const current = body.objects('Filters');
  if (legacy.length > 0 && current.length > 0) {
    throw invalidRequest('Filters and InstanceInformationFilterList cannot be used together.');
  }
  const filters = [
    ...legacy.map((filter) => nodeFilter(filter.text('key'), filter.texts('valueSet'))),
    ...current.map((filter) => nodeFilter(filter.text('Key'), filter.texts('Values'))),
  ];
  const nodes = (await parts.agents.nodesOf(caller.accountId, caller.region)).filter((node) =>
    filters.every((matches) => matches(node)),
  );
  const { items, nextToken } = page(nodes, body, NODES_A_PAGE);
  return { InstanceInformationList: items.map(nodeView), NextToken: nextToken };
}

function nodeFilter(key: string, values: string[]): (node: ManagedNode) => boolean {
  if (values.length === 0) {
    throw new AwsError('InvalidInstanceInformationFilterValue', `The filter ${key} has no value.`);
  }
  const oneOf = (value: string | undefined): boolean => value !== undefined && values.includes(value);
  if (key === 'tag-key') return (node) => values.some((name) => Object.hasOwn(node.tags, name));
  if (key.startsWith('tag:')) return (node) => oneOf(node.tags[key.slice('tag:'.length)]);
  switch (key) {
    case 'InstanceIds':
      return (node) => oneOf(node.instanceId);
    case 'PingStatus': // Inactive is deprecated (API, InstanceInformation): a filter by it finds nothing
      return (node) => oneOf(node.pingStatus);
    case 'PlatformTypes':
      return (node) => oneOf(node.platformType ?? 'Linux');
    case 'AgentVersion':
      return (node) => oneOf(node.agentVersion);
    case 'ResourceType':
      return () => oneOf('EC2Instance');
    case 'ActivationIds':
    case 'IamRole':
    case 'SourceIds':
    case 'SourceTypes':
    case 'AssociationStatus':
      return () => false; // facts of hybrid nodes and of State Manager, which the lab has none of
    default:
      throw new AwsError('InvalidFilterKey', `${key} is not a filter of managed nodes.`);
  }
}

function nodeView(node: ManagedNode): JsonObject {
  return {
    InstanceId: node.instanceId,
    PingStatus: node.pingStatus,
    IsLatestVersion: true,
    LastPingDateTime: seconds(node.lastPingAt),
    AgentVersion: node.agentVersion,
    PlatformType: node.platformType ?? 'Linux',
    PlatformName: node.platformName,
    PlatformVersion: node.platformVersion,
    RegistrationDate: seconds(node.registeredAt),
    ResourceType: 'EC2Instance',
    IPAddress: node.ipAddress,
    ComputerName: node.computerName,
    SourceId: node.instanceId,
    SourceType: 'AWS::EC2::Instance',
  };
}
