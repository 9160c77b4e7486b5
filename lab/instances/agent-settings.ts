import type { EmulatedInstance } from './emulated-instance';
import type { InstanceContext } from './instance-runner';

/** How an instance's SSM agent behaves, from tag lab:agent: absent (at once), "none", "late:SECONDS" or "slow:MILLISECONDS". */
export interface AgentSettings {
  runs: boolean;
  delaySeconds: number;
  /** Each of its replies is held back so long. */
  replyDelayMilliseconds: number;
}

/** Throws when the tag says something else. */
export function agentSettings(instance: EmulatedInstance): AgentSettings {
  const tag = instance.tags['lab:agent'];
  const usual = { runs: true, delaySeconds: 0, replyDelayMilliseconds: 0 };
  if (tag === undefined || tag === '') return usual;
  if (tag === 'none') return { ...usual, runs: false };
  const late = /^late:(\d+(?:\.\d+)?)$/.exec(tag)?.[1];
  if (late !== undefined) return { ...usual, delaySeconds: Number(late) };
  const slow = /^slow:(\d+)$/.exec(tag)?.[1];
  if (slow !== undefined) return { ...usual, replyDelayMilliseconds: Number(slow) };
  throw new Error(
    `tag lab:agent="${tag}" of ${instance.instanceId} is none of "none", "late:SECONDS", "slow:MILLISECONDS"`,
  );
}

/** What every agent sees. The credentials are no secret: the lab's message service tells agents apart by instance id. */
export function agentEnvironment(instance: EmulatedInstance, context: InstanceContext): Record<string, string> {
  const { replyDelayMilliseconds } = agentSettings(instance);
  return {
    LAB_INSTANCE: instance.instanceId,
    ...(replyDelayMilliseconds > 0 && { LAB_AGENT_REPLY_DELAY_MS: String(replyDelayMilliseconds) }),
    LAB_SSM_ENDPOINT: context.network?.ssmUrl ?? context.ssmUrl,
    // Documents fetch and store by pre-signed URLs of this machine's loopback address, which is not the instance's.
    ...(context.network ? { http_proxy: context.network.proxyUrl, no_proxy: '' } : {}),
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
