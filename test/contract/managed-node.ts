import { DescribeInstanceInformationCommand } from '@aws-sdk/client-ssm';
import type { Account } from './account';
import { until } from './waiting';

/** Waits until the agent of an instance has registered and answers. */
export async function untilManaged(account: Account, instanceId: string): Promise<void> {
  await until(
    `${instanceId} to be a managed node`,
    async () => {
      const { InstanceInformationList } = await account.ssm.send(
        new DescribeInstanceInformationCommand({ Filters: [{ Key: 'InstanceIds', Values: [instanceId] }] }),
      );
      return InstanceInformationList?.[0]?.PingStatus;
    },
    (status) => status === 'Online',
  );
}
