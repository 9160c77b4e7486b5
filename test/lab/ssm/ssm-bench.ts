import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CommandInvocation,
  CreateDocumentCommand,
  ListCommandInvocationsCommand,
  SendCommandCommand,
  SSMClient,
} from '@aws-sdk/client-ssm';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { type Emulator, startEmulator } from '../../../lab/aws/emulator';
import { bundleAgent } from '../../../lab/agent/bundle';
import { LAB_REGION, labConfig } from '../../../lab/config';
import type { DocumentContent } from '../../../lab/ssm/documents';
import { type SsmServer, type SsmServerOptions, startSsmServer } from '../../../lab/ssm/server';

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
}

/** An SSM server in front of the emulator, and what tests need to act on them. */
export interface SsmBench {
  folder: string;
  awsUrl: string;
  ssm: SsmServer;
  /** Credentials of an account, by the role that every member account of an organization has. */
  credentials(accountId: string): Promise<Credentials>;
  /** A client of the SSM server that tries once. */
  client(credentials: Credentials): SSMClient;
  stop(): Promise<void>;
}

/** The emulator is shared by the suites, since it takes seconds to start; each has an SSM server of its own. */
export async function startBench(emulator: Emulator, options: Partial<SsmServerOptions> = {}): Promise<SsmBench> {
  const folder = await mkdtemp(path.join(tmpdir(), 'lab-ssm-'));
  const ssm = await startSsmServer({ port: 0, awsUrl: emulator.url, ...options });
  return {
    folder,
    awsUrl: emulator.url,
    ssm,
    credentials: async (accountId) => {
      const sts = new STSClient({
        region: LAB_REGION,
        endpoint: emulator.url,
        credentials: { accessKeyId: 'AKIALABBOOTSTRAP', secretAccessKey: 'bootstrap' },
      });
      const role = `arn:aws:iam::${accountId}:role/OrganizationAccountAccessRole`;
      const answer = await sts.send(new AssumeRoleCommand({ RoleArn: role, RoleSessionName: 'test' }));
      sts.destroy();
      return {
        accessKeyId: answer.Credentials!.AccessKeyId!,
        secretAccessKey: answer.Credentials!.SecretAccessKey!,
        sessionToken: answer.Credentials!.SessionToken!,
      };
    },
    client: (credentials) => new SSMClient({ region: LAB_REGION, endpoint: ssm.url, credentials, maxAttempts: 1 }),
    stop: async () => {
      await ssm.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export async function startTestEmulator(folder: string): Promise<Emulator> {
  return await startEmulator({
    python: process.env.LAB_PYTHON_AWS ?? path.join(labConfig().cacheFolder, 'python', 'aws', 'bin', 'python'),
    port: await freePort(),
    dataFolder: path.join(folder, 'ebs'),
    durations: { snapshotSeconds: 0, copySeconds: 0 },
    logFile: path.join(folder, 'emulator.log'),
  });
}

export async function freePort(): Promise<number> {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The agent as one file in the bench's folder. */
export async function bundledAgent(bench: SsmBench): Promise<string> {
  return await bundleAgent(path.join(bench.folder, 'agent.js'));
}

/** The agent as a process of its own, for an instance. */
export function startAgent(
  bench: SsmBench,
  agentFile: string,
  instanceId: string,
  credentials: Credentials,
  environment: NodeJS.ProcessEnv = {},
): ChildProcess {
  return spawn(process.execPath, [agentFile], {
    env: {
      PATH: process.env.PATH,
      LAB_INSTANCE: instanceId,
      LAB_SSM_ENDPOINT: bench.ssm.url,
      LAB_AGENT_ROOT: path.join(bench.folder, 'agent'),
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_REGION: LAB_REGION,
      ...environment,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
}

/** What a process writes to its standard error; kept from now on. */
export function standardError(child: ChildProcess): () => string {
  let text = '';
  child.stderr!.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return () => text;
}

export async function endAgent(agent: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (agent.exitCode !== null || agent.signalCode !== null) return;
  agent.kill(signal);
  await once(agent, 'exit');
}

/** @throws Error if the condition does not come true in time. */
export async function until(
  what: string,
  condition: () => Promise<boolean> | boolean,
  withinMs = 90_000,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms`);
    await sleep(25);
  }
}

export async function untilOnline(bench: SsmBench, ...instanceIds: string[]): Promise<void> {
  await until(`agents ${instanceIds.join(', ')} online`, () => {
    const online = new Set(bench.ssm.agents().map((agent) => agent.instanceId));
    return instanceIds.every((instanceId) => online.has(instanceId));
  });
}

export async function createDocument(client: SSMClient, name: string, content: DocumentContent): Promise<void> {
  await client.send(
    new CreateDocumentCommand({
      Name: name,
      DocumentType: 'Command',
      DocumentFormat: 'JSON',
      Content: JSON.stringify(content),
    }),
  );
}

export async function sendTo(
  client: SSMClient,
  instanceId: string,
  documentName: string,
  parameters?: Record<string, string[]>,
): Promise<string> {
  const answer = await client.send(
    new SendCommandCommand({
      DocumentName: documentName,
      InstanceIds: [instanceId],
      ...(parameters === undefined ? {} : { Parameters: parameters }),
    }),
  );
  return answer.Command!.CommandId!;
}

export async function invocationOf(client: SSMClient, commandId: string): Promise<CommandInvocation> {
  const answer = await client.send(new ListCommandInvocationsCommand({ CommandId: commandId, Details: true }));
  return answer.CommandInvocations![0]!;
}

export async function finished(client: SSMClient, commandId: string, withinMs = 90_000): Promise<CommandInvocation> {
  let invocation = await invocationOf(client, commandId);
  await until(
    `command ${commandId} finished`,
    async () => {
      invocation = await invocationOf(client, commandId);
      return !['Pending', 'InProgress', 'Cancelling'].includes(invocation.Status!);
    },
    withinMs,
  );
  return invocation;
}

/** A document with one step that runs these lines. */
export function oneStep(...runCommand: string[]): DocumentContent {
  return {
    schemaVersion: '2.2',
    description: 'one step',
    mainSteps: [{ action: 'aws:runShellScript', name: 'a', inputs: { runCommand } }],
  };
}
