import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RegisterImageCommand, RunInstancesCommand } from '@aws-sdk/client-ec2';
import { CreateRoleCommand } from '@aws-sdk/client-iam';
import { CreateKeyCommand } from '@aws-sdk/client-kms';
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { CreateDocumentCommand, ModifyDocumentPermissionCommand, SSMClient } from '@aws-sdk/client-ssm';
import { MockActivityEnvironment } from '@temporalio/testing';
import { AwsClients } from '../../activities/aws/clients';
import type { ForensicsConfig, PublishedDocument } from '../../activities/config';
import type { MemoryTool } from '../../domain/memory-tools';
import { DEFAULT_POLICY } from '../../domain/policy';
import { bundleAgent } from '../../lab/agent/bundle';
import { LAB_ACCOUNTS, LAB_REGION } from '../../lab/config';
import { type SsmServer, startSsmServer } from '../../lab/ssm/server';
import { type EmulatedAws, startEmulatedAws } from '../lab/aws/emulated-aws';

export const CASE_ID = 'i-0123456789abcdef0-20261122t073000z';
export const MIB = 1024 ** 2;

/** Two accounts, Run Command, and what the product's set-up leaves there; agents are started by the tests. */
export interface CommandLab {
  aws: EmulatedAws;
  ssm: SsmServer;
  config: ForensicsConfig;
  clients: AwsClients;
  folder: string;
  /** Run Command as an account's administrator sees it; `aws` has the emulator's own, which runs nothing. */
  runCommand(account: 'member' | 'forensics'): SSMClient;
  /** Publishes a document in the forensics account and shares it with the member account. */
  publish(name: string, content: string): Promise<PublishedDocument>;
  /** Puts the acquisition tool into the tools bucket; `content` is run on "the suspect". */
  putTool(content: string | Buffer, name?: string): Promise<MemoryTool>;
  /** An instance that runs in the API; its agent is another thing. */
  runInstance(account: 'member' | 'forensics'): Promise<string>;
  /** `env` is what documents find in their environment. */
  startAgent(instanceId: string, account: 'member' | 'forensics', env?: NodeJS.ProcessEnv): Promise<void>;
  stop(): Promise<void>;
}

/** A script as a document of one step, with the parameters that all documents of the product take. */
export function scriptDocument(script: string): string {
  return JSON.stringify({
    schemaVersion: '2.2',
    description: 'a document of a test',
    parameters: {
      ManifestUrl: { type: 'String' },
      CaseId: { type: 'String' },
      ExecutionTimeout: { type: 'String', default: '3600' },
      ExhibitId: { type: 'String', default: '' },
      VolumeId: { type: 'String', default: '' },
      Plugins: { type: 'String', default: '' },
    },
    mainSteps: [
      {
        action: 'aws:runShellScript',
        name: 'step',
        inputs: {
          timeoutSeconds: '{{ ExecutionTimeout }}',
          runCommand: ['#!/bin/bash', "MANIFEST_URL='{{ ManifestUrl }}'", "PLUGINS='{{ Plugins }}'", script],
        },
      },
    ],
  });
}

export async function startCommandLab(): Promise<CommandLab> {
  const aws = await startEmulatedAws({ snapshotSeconds: 0, copySeconds: 0 });
  const ssm = await startSsmServer({ port: 0, awsUrl: aws.emulator.url });
  const folder = await mkdtemp(path.join(tmpdir(), 'command-lab-'));
  const agents: ChildProcess[] = [];
  const { accessKeyId, secretAccessKey, sessionToken } = aws.forensics.credentials;
  // The product finds endpoints and credentials as on AWS: in the SDK's own variables.
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: aws.emulator.url,
    AWS_ENDPOINT_URL_SSM: ssm.url,
    AWS_S3_FORCE_PATH_STYLE: 'true',
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
  });
  const config = await setUp(aws);
  const clients = new AwsClients(config);

  const publish = async (name: string, content: string): Promise<PublishedDocument> => {
    const { DocumentDescription: made } = await aws.forensics.ssm.send(
      new CreateDocumentCommand({ Name: name, Content: content, DocumentType: 'Command', DocumentFormat: 'JSON' }),
    );
    await aws.forensics.ssm.send(
      new ModifyDocumentPermissionCommand({
        Name: name,
        PermissionType: 'Share',
        AccountIdsToAdd: [LAB_ACCOUNTS.member],
      }),
    );
    return {
      name,
      arn: `arn:aws:ssm:${LAB_REGION}:${LAB_ACCOUNTS.forensics}:document/${name}`,
      version: made!.DocumentVersion!,
      sha256: createHash('sha256').update(content).digest('hex'),
    };
  };

  const putTool = async (content: string | Buffer, name = 'test-tool'): Promise<MemoryTool> => {
    const sha256 = createHash('sha256').update(content).digest('hex');
    const key = `acquisition/${name}-${sha256.slice(0, 8)}`;
    await aws.forensics.s3.send(new PutObjectCommand({ Bucket: config.buckets.tools, Key: key, Body: content }));
    return { kind: 'program', name, version: '1.0', key, sha256 };
  };

  const runInstance = async (account: 'member' | 'forensics'): Promise<string> => {
    const { ec2 } = aws[account];
    const { ImageId } = await ec2.send(
      new RegisterImageCommand({ Name: `image-${Date.now()}`, RootDeviceName: '/dev/xvda' }),
    );
    const { Instances } = await ec2.send(
      new RunInstancesCommand({ ImageId, InstanceType: 't3.small', MinCount: 1, MaxCount: 1 }),
    );
    return Instances![0]!.InstanceId!;
  };

  const agentFile = path.join(folder, 'agent.cjs');
  let bundled: Promise<string> | undefined;
  const startAgent: CommandLab['startAgent'] = async (instanceId, account, env = {}) => {
    await (bundled ??= bundleAgent(agentFile));
    const child = spawn(process.execPath, [agentFile], {
      detached: true,
      stdio: 'ignore',
      env: {
        PATH: process.env.PATH,
        LAB_INSTANCE: instanceId,
        LAB_SSM_ENDPOINT: ssm.url,
        LAB_AGENT_ROOT: path.join(folder, 'agents'),
        AWS_ACCESS_KEY_ID: aws[account].credentials.accessKeyId,
        AWS_REGION: LAB_REGION,
        ...env,
      },
    });
    agents.push(child);
    for (let tries = 0; tries < 600; tries += 1) {
      if (ssm.agents().some((agent) => agent.instanceId === instanceId)) return;
      await sleep(100);
    }
    throw new Error(`the agent of ${instanceId} did not register within a minute`);
  };

  return {
    aws,
    ssm,
    config,
    clients,
    folder,
    runCommand: (account) =>
      new SSMClient({ endpoint: ssm.url, region: LAB_REGION, credentials: aws[account].credentials }),
    publish,
    putTool,
    runInstance,
    startAgent,
    stop: async () => {
      for (const agent of agents) endGroup(agent);
      clients.destroy();
      await ssm.stop();
      await aws.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function endGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function setUp(aws: EmulatedAws): Promise<ForensicsConfig> {
  const { member, forensics } = aws;
  const roles = { triage: 'forensics-triage', acquire: 'forensics-acquire', contain: 'forensics-contain' };
  for (const RoleName of Object.values(roles)) {
    await member.iam.send(
      new CreateRoleCommand({
        RoleName,
        AssumeRolePolicyDocument: JSON.stringify({
          Version: '2012-10-17',
          Statement: [
            {
              Effect: 'Allow',
              Principal: { AWS: `arn:aws:iam::${forensics.accountId}:root` },
              Action: 'sts:AssumeRole',
            },
          ],
        }),
      }),
    );
  }
  const buckets = { staging: 'test-staging', evidence: 'test-evidence', tools: 'test-tools' };
  for (const [purpose, Bucket] of Object.entries(buckets)) {
    await forensics.s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: purpose === 'evidence' }));
  }
  const { KeyMetadata } = await forensics.kms.send(new CreateKeyCommand({}));
  const nothing = { name: 'none', arn: 'none', version: '1', sha256: '' };
  return {
    region: LAB_REGION,
    forensicsAccountId: LAB_ACCOUNTS.forensics,
    memberRoles: roles,
    sharingKeyAlias: 'alias/forensics-sharing',
    evidenceKeyArn: KeyMetadata!.Arn!,
    sealingKeyArn: 'none',
    verifier: { key: 'none', sha256: '0'.repeat(64) },
    buckets,
    caseTable: 'cases',
    topicArn: '',
    documents: { acquireMemoryLinux: nothing, examineMemory: nothing, examineDisk: nothing, probeIsolation: nothing },
    memoryTools: [],
    forensicInstance: { imageId: '', instanceTypes: ['m6i.large'], subnetId: '', securityGroupId: '' },
    memoryPartSizeBytes: 5 * MIB,
    polling: { minimumSeconds: 0.1, maximumSeconds: 1 },
    policy: DEFAULT_POLICY,
  };
}

/** An activity's surroundings, with every heartbeat that it gave. */
export function activityEnvironment(attempt = 1): { environment: MockActivityEnvironment; heartbeats: unknown[] } {
  const environment = new MockActivityEnvironment({ attempt, scheduledTimestampMs: Date.now() });
  const heartbeats: unknown[] = [];
  environment.on('heartbeat', (details: unknown) => heartbeats.push(details));
  return { environment, heartbeats };
}

/** Runs one activity as the worker does. */
export function runActivity<Input, Output>(
  activity: (input: Input) => Promise<Output>,
  input: Input,
  attempt = 1,
): Promise<Output> {
  const run = (): Promise<Output> => activity(input);
  return activityEnvironment(attempt).environment.run<[], Output, typeof run>(run);
}
