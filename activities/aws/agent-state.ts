import { DescribeInstanceInformationCommand, type InstanceInformation } from '@aws-sdk/client-ssm';
import type { AgentState } from '../../domain/instance-facts';
import type { AccountClients } from './clients';
import { awsStep } from './errors';
import { reasonOf } from './tolerance';

const PLATFORMS = { Linux: 'Linux', Windows: 'Windows', MacOS: 'macOS' } as const;

/**
 * Whether the SSM agent of an instance can be commanded. Filtered by the instance: the unfiltered list comes in pages of
 * ten. An agent that is missing, silent or unreadable is a state with its reason, never a failure.
 */
export async function readAgent(member: AccountClients, instanceId: string): Promise<AgentState> {
  try {
    const { InstanceInformationList: list } = await awsStep(
      `reading the SSM agent’s state of ${instanceId}`,
      (options) =>
        member.ssm.send(
          new DescribeInstanceInformationCommand({ Filters: [{ Key: 'InstanceIds', Values: [instanceId] }] }),
          options,
        ),
    );
    return agentState(list?.find((agent) => agent.InstanceId === instanceId));
  } catch (error) {
    return { state: 'unavailable', reason: reasonOf(error) };
  }
}

function agentState(agent: InstanceInformation | undefined): AgentState {
  if (!agent) {
    return {
      state: 'unavailable',
      reason: 'Systems Manager has no record of the instance: no agent, no permission for it, or no way to the service',
    };
  }
  if (agent.PingStatus !== 'Online') {
    const last = agent.LastPingDateTime?.toISOString() ?? 'an unknown time';
    return {
      state: 'unavailable',
      reason: `the SSM agent is ${agent.PingStatus ?? 'in an unknown state'}; it was last heard of at ${last}`,
    };
  }
  if (!agent.PlatformType) {
    return { state: 'unavailable', reason: 'the SSM agent is online but reports no operating system' };
  }
  return {
    state: 'online',
    platform: PLATFORMS[agent.PlatformType],
    platformName: agent.PlatformName ?? 'unknown',
    platformVersion: agent.PlatformVersion ?? 'unknown',
  };
}
