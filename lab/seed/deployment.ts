import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { RegisterImageCommand } from '@aws-sdk/client-ec2';
import {
  AttachUserPolicyCommand,
  CreateAccessKeyCommand,
  CreatePolicyCommand,
  CreatePolicyVersionCommand,
  CreateUserCommand,
  GetUserCommand,
} from '@aws-sdk/client-iam';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { stringify } from 'yaml';
import type { ForensicsConfig } from '../../activities/config';
import { caseTableDefinition } from '../../activities/case-records';
import { DEFAULT_POLICY, type Policy } from '../../domain/policy';
import { unlessThere } from '../../infra/ensure';
import { setUpPurgeRole } from '../../infra/purge-role';
import { setUpForensicsAccount } from '../../infra/set-up-forensics-account';
import { MEMBER_ROLES, setUpMemberAccount } from '../../infra/set-up-member-account';
import { workerPolicy, type WorkerScope } from '../../infra/worker-policy';
import { EmulatorClient } from '../aws/emulator-client';
import { LAB_ACCOUNTS, LAB_REGION } from '../config';
import { type AccountClients, administratorOf, type LabEndpoints } from './account-clients';
import { ensureNetwork } from './network';

/** An acquisition tool that instances are given: AVML, LiME, or the stand-in of a machine without QEMU. */
export interface MemoryTool {
  name: string;
  version: string;
  file: string;
  /** Of a kernel module: the kernel that it is built for. */
  kernelRelease?: string;
}

export interface LabDeployment {
  config: ForensicsConfig;
  configFile: string;
  /** Environment of a worker and of the CLI: endpoints, credentials, configuration file. */
  environment: Record<string, string>;
  member: AccountClients;
  forensics: AccountClients;
}

export interface DeploymentSettings {
  endpoints: LabEndpoints;
  temporalAddress: string;
  stateFolder: string;
  /** The ladder: tried in this order. */
  memoryTools: MemoryTool[];
  policy?: Policy;
  polling?: ForensicsConfig['polling'];
}

const EXTERNAL_ID = 'ec2-forensics-lab';
const SHARING_KEY_ALIAS = 'alias/forensics-sharing';
const WORKER = 'forensics-worker';

/**
 * Sets both accounts up by the product's own set-up and writes the configuration that workers and the CLI take. From then
 * on every request is judged: by its signature, and by the policies of whoever signed.
 */
export async function deploy(settings: DeploymentSettings): Promise<LabDeployment> {
  const { endpoints } = settings;
  const [member, forensics] = await Promise.all([
    administratorOf(LAB_ACCOUNTS.member, endpoints),
    administratorOf(LAB_ACCOUNTS.forensics, endpoints),
  ]);
  const scope = {
    memberAccountId: LAB_ACCOUNTS.member,
    forensicsAccountId: LAB_ACCOUNTS.forensics,
    region: LAB_REGION,
  };
  const worker = await workerUser(forensics);
  await setUpMemberAccount(member, {
    ...scope,
    workerPrincipalArn: worker.arn,
    externalId: EXTERNAL_ID,
    sharingKeyAlias: SHARING_KEY_ALIAS,
  });
  const parts = await setUpForensicsAccount(forensics, {
    region: LAB_REGION,
    forensicsAccountId: LAB_ACCOUNTS.forensics,
    memberAccountIds: [LAB_ACCOUNTS.member],
    caseTable: caseTableDefinition('forensic-cases'),
  });
  const purgeRole = await setUpPurgeRole(forensics.iam, {
    region: LAB_REGION,
    evidenceBucket: parts.buckets.evidence,
    workerPrincipalArn: worker.arn,
  });
  const network = await ensureNetwork(forensics.ec2, 'forensics', 'forensics');
  const image = await forensics.ec2.send(
    new RegisterImageCommand({
      Name: `forensic-image-${Date.now()}`,
      Architecture: 'x86_64',
      RootDeviceName: '/dev/xvda',
      VirtualizationType: 'hvm',
      // The lab runs instances of this image in a sandbox, with the forensic tools and evidence read-only.
      TagSpecifications: [
        { ResourceType: 'image', Tags: labTags({ kind: 'sandbox', image: 'forensic', volumes: 'read-only' }) },
      ],
    }),
  );
  const config: ForensicsConfig = {
    region: LAB_REGION,
    forensicsAccountId: LAB_ACCOUNTS.forensics,
    memberRoles: MEMBER_ROLES,
    externalId: EXTERNAL_ID,
    sharingKeyAlias: SHARING_KEY_ALIAS,
    ...parts,
    purgeRole,
    memoryTools: await Promise.all(
      settings.memoryTools.map((tool) => uploadTool(forensics, parts.buckets.tools, tool)),
    ),
    forensicInstance: {
      imageId: image.ImageId ?? '',
      instanceTypes: ['m6i.large', 'm5.large'],
      subnetId: network.subnetId,
      securityGroupId: network.securityGroupId,
    },
    memoryPartSizeBytes: 16 * 1024 ** 2,
    polling: settings.polling ?? { minimumSeconds: 0.5, maximumSeconds: 15 },
    policy: settings.policy ?? DEFAULT_POLICY,
  };
  await permitWorker(forensics, { ...config, memberAccountIds: [LAB_ACCOUNTS.member] });
  await new EmulatorClient(endpoints.aws).enforceIam(true);
  const configFile = path.join(settings.stateFolder, 'forensics.yaml');
  await writeFile(configFile, stringify(config));
  return {
    config,
    configFile,
    environment: { ...environmentOf(settings, configFile), ...worker.environment },
    member,
    forensics,
  };
}

export const labTags = (tags: Record<string, string>): { Key: string; Value: string }[] =>
  Object.entries(tags).map(([key, Value]) => ({ Key: `lab:${key}`, Value }));

/** A worker on AWS has a role of its own; in the lab it has a user's key in the forensics account. */
async function workerUser({ iam }: AccountClients): Promise<{ arn: string; environment: Record<string, string> }> {
  await unlessThere(() => iam.send(new CreateUserCommand({ UserName: WORKER })), 'EntityAlreadyExistsException');
  const { User } = await iam.send(new GetUserCommand({ UserName: WORKER }));
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: WORKER }));
  if (!User?.Arn || !AccessKey?.AccessKeyId || !AccessKey.SecretAccessKey)
    throw new Error('the emulator gave the worker no access key');
  return {
    arn: User.Arn,
    environment: { AWS_ACCESS_KEY_ID: AccessKey.AccessKeyId, AWS_SECRET_ACCESS_KEY: AccessKey.SecretAccessKey },
  };
}

/** As a managed policy: one written into a user may have 2,048 characters only. */
async function permitWorker({ iam }: AccountClients, scope: WorkerScope): Promise<void> {
  const PolicyDocument = JSON.stringify(workerPolicy(scope));
  const PolicyArn = `arn:aws:iam::${LAB_ACCOUNTS.forensics}:policy/${WORKER}`;
  const made = await unlessThere(
    () => iam.send(new CreatePolicyCommand({ PolicyName: WORKER, PolicyDocument })),
    'EntityAlreadyExistsException',
  );
  if (made === 'there') {
    await iam.send(new CreatePolicyVersionCommand({ PolicyArn, PolicyDocument, SetAsDefault: true }));
  }
  await iam.send(new AttachUserPolicyCommand({ UserName: WORKER, PolicyArn }));
}

async function uploadTool(
  forensics: AccountClients,
  bucket: string,
  tool: MemoryTool,
): Promise<ForensicsConfig['memoryTools'][number]> {
  const body = await readFile(tool.file);
  const sha256 = createHash('sha256').update(body).digest('hex');
  const { name, version, kernelRelease } = tool;
  const key = `acquisition/${name}-${version}-${kernelRelease ?? 'x86_64'}`;
  await forensics.s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
  const published = { name, version, key, sha256 };
  return kernelRelease === undefined
    ? { kind: 'program', ...published }
    : { kind: 'kernel-module', ...published, kernelRelease };
}

function environmentOf(settings: DeploymentSettings, configFile: string): Record<string, string> {
  return {
    AWS_REGION: LAB_REGION,
    AWS_ENDPOINT_URL: settings.endpoints.aws,
    AWS_ENDPOINT_URL_SSM: settings.endpoints.ssm,
    AWS_S3_FORCE_PATH_STYLE: 'true',
    TEMPORAL_ADDRESS: settings.temporalAddress,
    TEMPORAL_NAMESPACE: 'default',
    FORENSICS_CONFIG: configFile,
  };
}
