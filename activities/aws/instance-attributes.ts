import { DescribeInstanceAttributeCommand, type InstanceAttributeName } from '@aws-sdk/client-ec2';
import type { ProtectionFacts } from '../../domain/instance-facts';
import type { AccountClients } from './clients';
import { awsStep } from './errors';
import { orElse } from './tolerance';

/**
 * The attributes that protection changes; each is a call of its own in EC2's API. An unreadable
 * one counts as unprotected, so that protection acts on it.
 */
export async function readInstanceAttributes(
  member: AccountClients,
  instanceId: string,
  unreadable: string[],
): Promise<ProtectionFacts> {
  const read = (attribute: InstanceAttributeName) =>
    orElse(undefined, unreadable, () =>
      awsStep(`reading attribute ${attribute} of ${instanceId}`, (options) =>
        member.ec2.send(
          new DescribeInstanceAttributeCommand({ InstanceId: instanceId, Attribute: attribute }),
          options,
        ),
      ),
    );
  const [termination, stop, shutdown] = await Promise.all([
    read('disableApiTermination'),
    read('disableApiStop'),
    read('instanceInitiatedShutdownBehavior'),
  ]);
  return {
    apiTerminationDisabled: termination?.DisableApiTermination?.Value ?? false,
    apiStopDisabled: stop?.DisableApiStop?.Value ?? false,
    shutdownBehavior: shutdown?.InstanceInitiatedShutdownBehavior?.Value === 'stop' ? 'stop' : 'terminate',
  };
}
