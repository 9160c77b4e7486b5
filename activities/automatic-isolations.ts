import { paginateQuery, PutCommand } from '@aws-sdk/lib-dynamodb';
import { activityInfo } from '@temporalio/activity';
import type { InstanceTarget } from '../domain/target';
import type { AwsClients } from './aws/clients';
import { awsStep } from './aws/errors';
import type { ForensicsConfig } from './config';

const HOUR = 3_600_000;
/** How far back instances of one Auto Scaling group count. */
const GROUP_WINDOW = 24 * HOUR;

/** One case that the policy would isolate without a person, as it stands in the case table. */
interface Candidate {
  SK: string;
  instanceId: string;
  group?: string;
}

/**
 * Writes down that the policy would isolate this instance without a person, and counts how many it would, this one included.
 *
 * Each is written before it counts, and the count is a consistent read of one partition: however many findings come at once,
 * at most as many as the cap see a count within it. Temporal's visibility store lags behind, and a burst would slip through it.
 * Written under the time that the step was scheduled at, so that another attempt writes the same item.
 */
export async function countAutomaticIsolations(
  { config, clients }: { config: Pick<ForensicsConfig, 'caseTable'>; clients: AwsClients },
  { caseId, target, group }: { caseId: string; target: InstanceTarget; group?: string | undefined },
): Promise<{ casesLastHour: number; instancesOfAutoScalingGroup: number }> {
  const { accountId, region, instanceId } = target;
  const scheduled = activityInfo().scheduledTimestampMs;
  const timed = (time: number): string => new Date(time).toISOString();
  const TableName = config.caseTable;
  const PK = `AUTOMATIC-ISOLATION#${region}`;
  // Groups of one name in two accounts are two groups.
  const of = group === undefined ? undefined : `${accountId}#${group}`;
  const own: Candidate & { PK: string } = {
    PK,
    SK: `${timed(scheduled)}#${caseId}`,
    instanceId: `${accountId}#${instanceId}`,
    ...(of !== undefined && { group: of }),
  };
  return awsStep(`counting the isolations without a person before that of ${instanceId}`, async (options) => {
    const { dynamo } = clients.forensics();
    await dynamo.send(new PutCommand({ TableName, Item: { ...own, entity: 'automatic-isolation', caseId } }), options);
    const query = {
      TableName,
      KeyConditionExpression: 'PK = :region AND SK >= :since',
      ExpressionAttributeValues: { ':region': PK, ':since': timed(scheduled - GROUP_WINDOW) },
      ConsistentRead: true,
    };
    const found: Candidate[] = [];
    for await (const page of paginateQuery({ client: dynamo }, query, options))
      found.push(...((page.Items ?? []) as Candidate[]));
    const lastHour = timed(scheduled - HOUR);
    const ofGroup = found.filter((candidate) => of !== undefined && candidate.group === of);
    return {
      casesLastHour: found.filter(({ SK }) => SK >= lastHour).length,
      instancesOfAutoScalingGroup: new Set(ofGroup.map((candidate) => candidate.instanceId)).size,
    };
  });
}
