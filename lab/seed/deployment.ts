import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { RegisterImageCommand } from '@aws-sdk/client-ec2';
import { CreateAccessKeyCommand, CreateUserCommand, PutUserPolicyCommand } from '@aws-sdk/client-iam';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { stringify } from 'yaml';
import type { ForensicsConfig } from '../../activities/config';
import { caseTableDefinition } from '../../activities/case-records';
import { DEFAULT_POLICY, type Policy } from '../../domain/policy';
import { unlessThere } from '../../infra/ensure';
import { setUpForensicsAccount } from '../../infra/set-up-forensics-account';
import { MEMBER_ROLES, setUpMemberAccount } from '../../infra/set-up-member-account';
import { LAB_ACCOUNTS, LAB_REGION } from '../config';
import { type AccountClients, administratorOf, type LabCredentials, type LabEndpoints } from './account-clients';
import { ensureNetwork } from './network';

/** The acquisition tool that instances are given: AVML, or the stand-in of a machine without QEMU. */
export interface MemoryTool {
  name: string;
  version: string;
  file: string;
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
  memoryTool: MemoryTool;
  policy?: Policy;
  polling?: ForensicsConfig['polling'];
}

const EXTERNAL_ID = 'ec2-forensics-lab';
const SHARING_KEY_ALIAS = 'alias/forensics-sharing';

/** Sets both accounts up by the product's own set-up and writes the configuration that workers and the CLI take. */
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
    workerPrincipalArn: `arn:aws:iam::${LAB_ACCOUNTS.forensics}:root`,
    externalId: EXTERNAL_ID,
    sharingKeyAlias: SHARING_KEY_ALIAS,
  });
  const parts = await setUpForensicsAccount(forensics, {
    region: LAB_REGION,
    forensicsAccountId: LAB_ACCOUNTS.forensics,
    memberAccountIds: [LAB_ACCOUNTS.member],
    caseTable: caseTableDefinition('forensic-cases'),
  });
  const network = await ensureNetwork(forensics.ec2, 'forensics');
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
    memoryTool: await uploadTool(forensics, parts.buckets.tools, settings.memoryTool),
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
  const configFile = path.join(settings.stateFolder, 'forensics.yaml');
  await writeFile(configFile, stringify(config));
  return { config, configFile, environment: environmentOf(settings, configFile, worker), member, forensics };
}

export const labTags = (tags: Record<string, string>): { Key: string; Value: string }[] =>
  Object.entries(tags).map(([key, Value]) => ({ Key: `lab:${key}`, Value }));

/** A worker on AWS has a role of its own; in the lab it has a user's key in the forensics account. */
async function workerUser(forensics: AccountClients): Promise<LabCredentials> {
  const UserName = 'forensics-worker';
  await unlessThere(() => forensics.iam.send(new CreateUserCommand({ UserName })), 'EntityAlreadyExistsException');
  await forensics.iam.send(
    new PutUserPolicyCommand({
      UserName,
      PolicyName: 'everything-in-the-forensics-account',
      PolicyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }],
      }),
    }),
  );
  const { AccessKey } = await forensics.iam.send(new CreateAccessKeyCommand({ UserName }));
  if (!AccessKey?.AccessKeyId || !AccessKey.SecretAccessKey)
    throw new Error('the emulator gave the worker no access key');
  return { accessKeyId: AccessKey.AccessKeyId, secretAccessKey: AccessKey.SecretAccessKey };
}

async function uploadTool(
  forensics: AccountClients,
  bucket: string,
  tool: MemoryTool,
): Promise<ForensicsConfig['memoryTool']> {
  const body = await readFile(tool.file);
  const sha256 = createHash('sha256').update(body).digest('hex');
  const key = `acquisition/${tool.name}-${tool.version}-x86_64`;
  await forensics.s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
  return { name: tool.name, version: tool.version, key, sha256 };
}

function environmentOf(
  settings: DeploymentSettings,
  configFile: string,
  worker: LabCredentials,
): Record<string, string> {
  return {
    AWS_REGION: LAB_REGION,
    AWS_ENDPOINT_URL: settings.endpoints.aws,
    AWS_ENDPOINT_URL_SSM: settings.endpoints.ssm,
    AWS_ACCESS_KEY_ID: worker.accessKeyId,
    AWS_SECRET_ACCESS_KEY: worker.secretAccessKey,
    AWS_S3_FORCE_PATH_STYLE: 'true',
    TEMPORAL_ADDRESS: settings.temporalAddress,
    TEMPORAL_NAMESPACE: 'default',
    FORENSICS_CONFIG: configFile,
  };
}
