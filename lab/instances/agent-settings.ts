import type { EmulatedInstance } from './emulated-instance';
import type { InstanceContext } from './instance-runner';

/** How an instance's SSM agent behaves, from tag lab:agent: absent (at once), "none", or "late:SECONDS". */
export interface AgentSettings {
  runs: boolean;
  delaySeconds: number;
}

/** Throws when the tag says something else. */
export function agentSettings(instance: EmulatedInstance): AgentSettings {
  const tag = instance.tags['lab:agent'];
  if (tag === undefined || tag === '') return { runs: true, delaySeconds: 0 };
  if (tag === 'none') return { runs: false, delaySeconds: 0 };
  const late = /^late:(\d+(?:\.\d+)?)$/.exec(tag);
  if (!late) throw new Error(`tag lab:agent="${tag}" of ${instance.instanceId} is neither "none" nor "late:SECONDS"`);
  return { runs: true, delaySeconds: Number(late[1]) };
}

/** What every agent sees. The credentials are no secret: the lab's message service tells agents apart by instance id. */
export function agentEnvironment(instance: EmulatedInstance, context: InstanceContext): Record<string, string> {
  return {
    LAB_INSTANCE: instance.instanceId,
    LAB_SSM_ENDPOINT: context.ssmUrl,
    AWS_ACCESS_KEY_ID: 'AKIALABAGENT',
    AWS_SECRET_ACCESS_KEY: 'lab-agent',
    AWS_REGION: instance.region,
    LANG: 'C.UTF-8',
  };
}

/** Private host name as EC2 forms it from the address. */
export function hostName(instance: EmulatedInstance): string {
  const address = instance.privateIpAddress;
  return address ? `ip-${address.replaceAll('.', '-')}` : `ip-${instance.instanceId.replace(/^i-/, '')}`;
}
