import { type EC2Client, RunInstancesCommand } from '@aws-sdk/client-ec2';

export interface PaperFleetOptions {
  ec2: EC2Client;
  imageId: string;
  count: number;
  /** How their agents answer: a scenario of scripted-replies.yaml. Default `default`. */
  scenario?: string;
  tags?: Record<string, string>;
}

/** One call launches no more. */
const MOST_IN_A_CALL = 1000;

/**
 * Launches instances that exist in the API only, with scripted agents.
 * @returns their ids.
 */
export async function launchPaperFleet(options: PaperFleetOptions): Promise<string[]> {
  const tags = { 'lab:kind': 'paper', 'lab:agent': `scripted:${options.scenario ?? 'default'}`, ...options.tags };
  const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
  const instanceIds: string[] = [];
  while (instanceIds.length < options.count) {
    const wanted = Math.min(MOST_IN_A_CALL, options.count - instanceIds.length);
    const { Instances = [] } = await options.ec2.send(
      new RunInstancesCommand({
        ImageId: options.imageId,
        InstanceType: 't3.micro',
        MinCount: wanted,
        MaxCount: wanted,
        TagSpecifications: [{ ResourceType: 'instance', Tags }],
      }),
    );
    if (Instances.length === 0) throw new Error(`RunInstances launched none of ${wanted} instances`);
    instanceIds.push(...Instances.map((instance) => instance.InstanceId ?? ''));
  }
  return instanceIds;
}
