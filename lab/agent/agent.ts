/**
 * An SSM agent: runs Command documents (schemaVersion 2.2) as amazon-ssm-agent 3.3 does, over the same `ec2messages`
 * protocol. What it reports is held to the real agent's recorded answers by a conformance test. It carries no
 * signature and knows no Session Manager.
 *
 * LAB_INSTANCE         the instance's id
 * LAB_SSM_ENDPOINT     URL of the SSM server
 * AWS_ACCESS_KEY_ID    tells the agent's account; AWS_REGION the Region (us-east-1)
 * LAB_AGENT_ROOT       working folder (/var/lib/amazon/ssm, as the real agent's)
 * LAB_AGENT_REPLY_DELAY_MS  a slow agent: each reply is held back so long (0)
 * LAB_AGENT_POLL_WITHIN_MS  how long a poll may be silent until it counts as cut off (30000)
 *
 * SIGTERM ends it and its scripts at once. It ends by itself, with code 0, when another agent of the instance started
 * after it.
 */
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { Agent } from './agent-loop';
import { LocalExecutor } from './local-executor';
import { MessageClient } from './message-client';

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set: the agent needs it to know its place`);
  return value;
}

function milliseconds(name: string, fallback: number): number {
  const value = Number(process.env[name] ?? fallback);
  if (!(value >= 0)) throw new Error(`${name} is not a number of milliseconds`);
  return value;
}

function log(line: string): void {
  process.stderr.write(`${new Date().toISOString()} ${line}\n`);
}

async function main(): Promise<void> {
  const instanceId = required('LAB_INSTANCE');
  const region = process.env.AWS_REGION ?? 'us-east-1';
  const root = process.env.LAB_AGENT_ROOT ?? '/var/lib/amazon/ssm';
  const client = new MessageClient({
    endpoint: required('LAB_SSM_ENDPOINT'),
    accessKeyId: required('AWS_ACCESS_KEY_ID'),
    instanceId,
    region,
    session: { startedAt: Date.now(), id: randomUUID() },
    replyDelayMs: milliseconds('LAB_AGENT_REPLY_DELAY_MS', 0),
    pollWithinMs: milliseconds('LAB_AGENT_POLL_WITHIN_MS', 30_000),
  });
  const executor = new LocalExecutor(path.join(root, instanceId, 'document', 'orchestration'));
  const end = (): void => {
    void executor.close().finally(() => process.exit(0));
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  const folder = path.join(root, instanceId, 'document', 'output');
  await new Agent({ identity: { instanceId, region }, client, executor, folder, log }).work();
  end();
}

main().catch((error: unknown) => {
  log(String(error));
  process.exit(1);
});
