import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { randomBytes } from 'node:crypto';
import {
  AttachNetworkInterfaceCommand,
  CreateNetworkInterfaceCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  DescribeInstancesCommand,
  DescribeSnapshotsCommand,
  RegisterImageCommand,
  RunInstancesCommand,
  type Snapshot,
} from '@aws-sdk/client-ec2';
import { CreateAliasCommand, CreateKeyCommand } from '@aws-sdk/client-kms';
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { AwsClients } from '../../activities/aws/clients';
import type { ForensicsConfig } from '../../activities/config';
import type { CaseRequest } from '../../domain/case-request';
import { DEFAULT_POLICY } from '../../domain/policy';
import type { InstanceTarget } from '../../domain/target';
import { MEMBER_ROLES, setUpMemberAccount } from '../../infra/set-up-member-account';
import { LAB_ACCOUNTS, LAB_REGION } from '../../lab/config';
import { type EmulatedAws, startEmulatedAws } from '../lab/aws/emulated-aws';

export const CASE_ID = 'i-0123456789abcdef0-20261122t073000z';
const SHARING_KEY_ALIAS = 'alias/forensics-sharing';
const EXTERNAL_ID = 'forensics-test';

/** Two accounts with the roles that the product's own set-up makes, and the product's clients on top of them. */
export interface ActivityLab {
  aws: EmulatedAws;
  /** Stands for Systems Manager: answers DescribeInstanceInformation with what a test puts here. */
  agents: AgentListing;
  config: ForensicsConfig;
  clients: AwsClients;
  stop(): Promise<void>;
}

/** An answer of the SSM service as its JSON protocol has it. */
export interface AgentListing {
  status: number;
  body: object;
  /** Values of the `InstanceIds` filter that were asked for. */
  asked: string[];
}

export async function startActivityLab(durations = { snapshotSeconds: 0, copySeconds: 0 }): Promise<ActivityLab> {
  const aws = await startEmulatedAws(durations);
  const agents: AgentListing = { status: 200, body: { InstanceInformationList: [] }, asked: [] };
  const ssm = await serveAgents(agents);
  const evidenceKey = await aws.forensics.kms.send(new CreateKeyCommand({ Description: 'evidence' }));
  const sealingKey = await aws.forensics.kms.send(
    new CreateKeyCommand({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }),
  );
  await setUpMemberAccount(aws.member, {
    region: LAB_REGION,
    memberAccountId: LAB_ACCOUNTS.member,
    forensicsAccountId: LAB_ACCOUNTS.forensics,
    workerPrincipalArn: `arn:aws:iam::${LAB_ACCOUNTS.forensics}:root`,
    externalId: EXTERNAL_ID,
    sharingKeyAlias: SHARING_KEY_ALIAS,
  });
  const { accessKeyId, secretAccessKey, sessionToken } = aws.forensics.credentials;
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: aws.emulator.url,
    AWS_ENDPOINT_URL_SSM: `http://127.0.0.1:${(ssm.address() as AddressInfo).port}`,
    AWS_S3_FORCE_PATH_STYLE: 'true',
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
  });
  const document = { name: 'none', arn: 'none', version: '1', sha256: '0'.repeat(64) };
  const config: ForensicsConfig = {
    region: LAB_REGION,
    forensicsAccountId: LAB_ACCOUNTS.forensics,
    memberRoles: MEMBER_ROLES,
    externalId: EXTERNAL_ID,
    sharingKeyAlias: SHARING_KEY_ALIAS,
    evidenceKeyArn: evidenceKey.KeyMetadata!.Arn!,
    sealingKeyArn: sealingKey.KeyMetadata!.Arn!,
    verifier: { key: 'none', sha256: '0'.repeat(64) },
    buckets: { staging: 'staging', evidence: 'evidence', tools: 'tools' },
    caseTable: 'forensics-cases',
    topicArn: `arn:aws:sns:${LAB_REGION}:${LAB_ACCOUNTS.forensics}:forensics`,
    documents: {
      acquireMemoryLinux: document,
      examineMemory: document,
      examineDisk: document,
      probeIsolation: document,
    },
    memoryTools: [{ kind: 'program', name: 'avml', version: '0', key: 'avml', sha256: '0'.repeat(64) }],
    forensicInstance: { imageId: 'ami-0', instanceTypes: [], subnetId: 'subnet-0', securityGroupId: 'sg-0' },
    memoryPartSizeBytes: 8 * 1024 ** 2,
    polling: { minimumSeconds: 1, maximumSeconds: 60 },
    policy: DEFAULT_POLICY,
  };
  const clients = new AwsClients(config);
  return {
    aws,
    agents,
    config,
    clients,
    stop: async () => {
      clients.destroy();
      ssm.closeAllConnections();
      ssm.close();
      await aws.stop();
    },
  };
}

async function serveAgents(agents: AgentListing): Promise<Server> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as { Filters?: { Key: string; Values: string[] }[] };
      const filter = body.Filters?.find(({ Key }) => Key === 'InstanceIds');
      agents.asked.push(...(filter?.Values ?? ['everything']));
      response.writeHead(agents.status, { 'Content-Type': 'application/x-amz-json-1.1' });
      response.end(JSON.stringify(agents.body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

export interface SuspectKeys {
  /** The forensics account may use it. */
  shared: string;
  /** It may not. */
  unshared: string;
}

export async function createKeys({ aws }: ActivityLab): Promise<SuspectKeys> {
  const key = async (...accounts: string[]): Promise<string> => {
    const made = await aws.member.kms.send(
      new CreateKeyCommand({
        Policy: JSON.stringify({
          Version: '2012-10-17',
          Statement: accounts.map((account) => ({
            Effect: 'Allow',
            Principal: { AWS: `arn:aws:iam::${account}:root` },
            Action: 'kms:*',
            Resource: '*',
          })),
        }),
      }),
    );
    return made.KeyMetadata!.Arn!;
  };
  const shared = await key(LAB_ACCOUNTS.member, LAB_ACCOUNTS.forensics);
  const unshared = await key(LAB_ACCOUNTS.member);
  await aws.member.kms.send(
    new CreateAliasCommand({ AliasName: `alias/app-${randomBytes(4).toString('hex')}`, TargetKeyId: unshared }),
  );
  return { shared, unshared };
}

export interface Network {
  vpcId: string;
  subnetId: string;
  /** The application's own group. */
  groupId: string;
}

export async function createNetwork({ aws }: ActivityLab, ipv6 = false): Promise<Network> {
  const { ec2 } = aws.member;
  const vpc = await ec2.send(new CreateVpcCommand({ CidrBlock: '10.7.0.0/16', AmazonProvidedIpv6CidrBlock: ipv6 }));
  const vpcId = vpc.Vpc!.VpcId!;
  const subnet = await ec2.send(
    new CreateSubnetCommand({ VpcId: vpcId, CidrBlock: '10.7.1.0/24', AvailabilityZone: `${LAB_REGION}a` }),
  );
  const group = await ec2.send(new CreateSecurityGroupCommand({ VpcId: vpcId, GroupName: 'app', Description: 'app' }));
  return { vpcId, subnetId: subnet.Subnet!.SubnetId!, groupId: group.GroupId! };
}

export interface Suspect {
  target: InstanceTarget;
  /** In the order of their devices: unencrypted root, then those of `keys`, then under aws/ebs. */
  volumeIds: string[];
  networkInterfaceIds: string[];
}

/** An instance without an instance profile: three or four volumes of 1 GiB, one to four interfaces. */
export async function launchSuspect(
  lab: ActivityLab,
  network: Network,
  { keys, interfaces = 1 }: { keys?: SuspectKeys; interfaces?: number } = {},
): Promise<Suspect> {
  const { ec2 } = lab.aws.member;
  const image = await ec2.send(
    new RegisterImageCommand({ Name: randomBytes(8).toString('hex'), RootDeviceName: '/dev/xvda' }),
  );
  const encrypted = (DeviceName: string, KmsKeyId?: string) => ({
    DeviceName,
    Ebs: { VolumeSize: 1, Encrypted: true, DeleteOnTermination: true, ...(KmsKeyId && { KmsKeyId }) },
  });
  const run = await ec2.send(
    new RunInstancesCommand({
      ImageId: image.ImageId!,
      InstanceType: 't3.micro',
      MinCount: 1,
      MaxCount: 1,
      SubnetId: network.subnetId,
      SecurityGroupIds: [network.groupId],
      InstanceInitiatedShutdownBehavior: 'terminate',
      BlockDeviceMappings: [
        { DeviceName: '/dev/xvda', Ebs: { VolumeSize: 1, DeleteOnTermination: true } },
        ...(keys ? [encrypted('/dev/sdf', keys.shared), encrypted('/dev/sdg', keys.unshared)] : []),
        ...(keys ? [encrypted('/dev/sdh')] : []),
      ],
      TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'Name', Value: 'app-server' }] }],
    }),
  );
  const instanceId = run.Instances![0]!.InstanceId!;
  for (let index = 1; index < interfaces; index += 1) {
    const eni = await ec2.send(
      new CreateNetworkInterfaceCommand({ SubnetId: network.subnetId, Groups: [network.groupId] }),
    );
    await ec2.send(
      new AttachNetworkInterfaceCommand({
        InstanceId: instanceId,
        NetworkInterfaceId: eni.NetworkInterface!.NetworkInterfaceId!,
        DeviceIndex: index,
      }),
    );
  }
  const described = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [instanceId] }));
  const instance = described.Reservations![0]!.Instances![0]!;
  const device = (name: string | undefined) => (name === '/dev/xvda' ? '' : (name ?? ''));
  return {
    target: { accountId: LAB_ACCOUNTS.member, region: LAB_REGION, instanceId },
    volumeIds: instance
      .BlockDeviceMappings!.sort((a, b) => device(a.DeviceName).localeCompare(device(b.DeviceName)))
      .map((mapping) => mapping.Ebs!.VolumeId!),
    networkInterfaceIds: instance.NetworkInterfaces!.map((eni) => eni.NetworkInterfaceId!).sort(),
  };
}

/** Writes bytes into a volume, as the instance would. */
export async function writeVolume(lab: ActivityLab, volumeId: string, data: Buffer, position: number): Promise<void> {
  await writeImage(path.join(lab.aws.dataFolder, 'volumes', `${volumeId}.img`), data, position);
}

/** Alters a snapshot's bytes behind AWS's back. */
export async function writeSnapshot(lab: ActivityLab, id: string, data: Buffer, position: number): Promise<void> {
  await writeImage(path.join(lab.aws.dataFolder, 'snapshots', `${id}.img`), data, position);
}

async function writeImage(file: string, data: Buffer, position: number): Promise<void> {
  const image = await open(file, 'r+').catch(() => open(file, 'w+'));
  try {
    if ((await image.stat()).size < 2 ** 30) await image.truncate(2 ** 30);
    await image.write(data, 0, data.length, position);
  } finally {
    await image.close();
  }
}

export async function ownSnapshots(lab: ActivityLab, owner: 'member' | 'forensics'): Promise<Snapshot[]> {
  return (await lab.aws[owner].ec2.send(new DescribeSnapshotsCommand({ OwnerIds: ['self'] }))).Snapshots ?? [];
}

/** Runs a step as the worker would. `attempt` 9 is one that has no patience left for what may pass. */
export async function runActivity<Input, Result>(
  activity: (input: Input) => Promise<Result>,
  input: Input,
  info: { attempt?: number; activityId?: string; scheduledTimestampMs?: number } = {},
): Promise<Result> {
  const environment = new MockActivityEnvironment(
    { scheduledTimestampMs: Date.now(), ...info },
    { logger: new DefaultLogger('ERROR', () => undefined) },
  );
  return environment.run(activity, input);
}

/** The failure that a step ends with; fails the test when it succeeds. */
export async function failureOf(step: Promise<unknown>): Promise<ApplicationFailure> {
  try {
    await step;
  } catch (error) {
    if (error instanceof ApplicationFailure) return error;
    throw error;
  }
  throw new Error('the step succeeded where it has to fail');
}

export function caseRequest(target: InstanceTarget): CaseRequest {
  return {
    target,
    finding: {
      id: 'finding-1',
      source: 'guardduty',
      type: 'Backdoor:EC2/C&CActivity.B!DNS',
      severity: 'high',
      title: 'title',
      description: 'description',
      createdAt: '2026-11-22T07:00:00.000Z',
    },
    requestedAction: 'by-policy',
    openedBy: 'guardduty',
    receivedAt: '2026-11-22T07:00:05.000Z',
  };
}
