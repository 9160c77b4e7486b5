/**
 * An SSM agent: runs Command documents (schemaVersion 2.2) as amazon-ssm-agent 3.3 does, over the same `ec2messages`
 * protocol. What it reports is held to the real agent's recorded answers by a conformance test. It carries no
 * signature and knows neither S3 output nor Session Manager.
 *
 * LAB_INSTANCE         the instance's id
 * LAB_SSM_ENDPOINT     URL of the SSM server
 * AWS_ACCESS_KEY_ID    tells the agent's account; AWS_REGION the Region (us-east-1)
 * LAB_AGENT_CHANNEL    Unix socket of a guest's serial port: scripts run in the guest; without it, on this machine
 * LAB_AGENT_ROOT       working folder (/var/lib/amazon/ssm, as the real agent's)
 *
 * SIGTERM ends it and its scripts at once.
 */
import path from 'node:path';
import { Agent } from './agent-loop';
import { ChannelExecutor } from './channel-executor';
import type { Executor } from './executor';
import { LocalExecutor } from './local-executor';
import { MessageClient } from './message-client';

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set: the agent needs it to know its place`);
  return value;
}

function log(line: string): void {
  process.stderr.write(`${new Date().toISOString()} ${line}\n`);
}

async function main(): Promise<void> {
  const instanceId = required('LAB_INSTANCE');
  const region = process.env.AWS_REGION ?? 'us-east-1';
  const root = process.env.LAB_AGENT_ROOT ?? '/var/lib/amazon/ssm';
  const channel = process.env.LAB_AGENT_CHANNEL ?? '';
  const client = new MessageClient({
    endpoint: required('LAB_SSM_ENDPOINT'),
    accessKeyId: required('AWS_ACCESS_KEY_ID'),
    instanceId,
    region,
  });
  const executor: Executor =
    channel === ''
      ? new LocalExecutor(path.join(root, instanceId, 'document', 'orchestration'))
      : new ChannelExecutor({ socketPath: channel });
  const end = (): void => {
    void executor.close().finally(() => process.exit(0));
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  await new Agent({ instanceId, region }, client, executor, log).work();
}

main().catch((error: unknown) => {
  log(String(error));
  process.exit(1);
});
