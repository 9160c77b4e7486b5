import {
  DescribeTargetHealthCommand,
  paginateDescribeTargetGroups,
  type TargetHealthDescription,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import type { TargetGroupFacts } from '../../domain/instance-facts';
import type { AccountClients } from './clients';
import { awsStep } from './errors';

/**
 * Where an instance is registered, by its id or one of its private addresses, with the port. Elastic Load Balancing
 * cannot be asked by target: every target group of the VPC is read.
 */
export async function readTargetGroups(
  member: AccountClients,
  { instanceId, vpcIds, addresses }: { instanceId: string; vpcIds: string[]; addresses: string[] },
): Promise<TargetGroupFacts[]> {
  const client = member.loadBalancing;
  const ids = new Set([instanceId, ...addresses]);
  const arns = await awsStep(`reading the target groups of ${vpcIds.join(', ')}`, async () => {
    const found: string[] = [];
    for await (const page of paginateDescribeTargetGroups({ client }, {})) {
      for (const { VpcId, TargetGroupArn } of page.TargetGroups ?? [])
        if (VpcId !== undefined && TargetGroupArn !== undefined && vpcIds.includes(VpcId)) found.push(TargetGroupArn);
    }
    return found;
  });
  const registrations: TargetGroupFacts[] = [];
  for (const targetGroupArn of arns) {
    const { TargetHealthDescriptions } = await awsStep(`reading the targets of ${targetGroupArn}`, (options) =>
      client.send(new DescribeTargetHealthCommand({ TargetGroupArn: targetGroupArn }), options),
    );
    for (const described of TargetHealthDescriptions ?? []) {
      const { Id = '', Port = 0, AvailabilityZone } = described.Target ?? {};
      if (!ids.has(Id) || !isRegistered(described)) continue;
      registrations.push({
        targetGroupArn,
        targetId: Id,
        port: Port,
        ...(AvailabilityZone !== undefined && { availabilityZone: AvailabilityZone }),
      });
    }
  }
  return registrations.sort(
    (a, b) =>
      a.targetGroupArn.localeCompare(b.targetGroupArn) || a.targetId.localeCompare(b.targetId) || a.port - b.port,
  );
}

/** `unused` is also the state of a registered target whose group no load balancer uses: the reason tells them apart. */
export function isRegistered({ TargetHealth: health }: TargetHealthDescription): boolean {
  return (
    health?.State !== 'draining' &&
    health?.Reason !== 'Target.NotRegistered' &&
    health?.Reason !== 'Target.DeregistrationInProgress'
  );
}
