import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EBSClient } from '@aws-sdk/client-ebs';
import { EC2Client } from '@aws-sdk/client-ec2';
import { IAMClient } from '@aws-sdk/client-iam';
import { KMSClient } from '@aws-sdk/client-kms';
import { S3Client } from '@aws-sdk/client-s3';
import { SNSClient } from '@aws-sdk/client-sns';
import { SSMClient } from '@aws-sdk/client-ssm';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { type Emulator, startEmulator } from '../../../lab/aws/emulator';
import { EmulatorClient } from '../../../lab/aws/emulator-client';
import { LAB_ACCOUNTS, LAB_REGION, type LabDurations, labConfig } from '../../../lab/config';

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

export interface AccountClients {
  accountId: string;
  credentials: Credentials;
  dynamodb: DynamoDBClient;
  ebs: EBSClient;
  ec2: EC2Client;
  iam: IAMClient;
  kms: KMSClient;
  s3: S3Client;
  sns: SNSClient;
  ssm: SSMClient;
  sts: STSClient;
}

/** One emulator for a suite, with the clients of the two accounts. */
export interface EmulatedAws {
  emulator: Emulator;
  lab: EmulatorClient;
  dataFolder: string;
  member: AccountClients;
  forensics: AccountClients;
  /** Clients of any credentials; `maxAttempts` 1, so that a test sees the first error. */
  clients(accountId: string, credentials: Credentials): AccountClients;
  stop(): Promise<void>;
}

export function emulatorPython(): string {
  const python = process.env.LAB_PYTHON_AWS ?? path.join(labConfig().cacheFolder, 'python', 'aws', 'bin', 'python');
  if (!existsSync(python)) {
    throw new Error(
      `no Python with the AWS emulator at ${python}: run \`npm run lab -- up\` once, which makes it, or set ` +
        'LAB_PYTHON_AWS to the Python of an environment in which lab/aws/requirements.txt is installed',
    );
  }
  return python;
}

/** A port that was free a moment ago; LAB_TEST_PORT_AWS names one instead. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(Number(process.env.LAB_TEST_PORT_AWS ?? 0), '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  return port;
}

export async function startEmulatedAws(durations: LabDurations): Promise<EmulatedAws> {
  const folder = await mkdtemp(path.join(tmpdir(), 'emulated-aws-'));
  const dataFolder = path.join(folder, 'ebs');
  const emulator = await startEmulator({
    python: emulatorPython(),
    port: await freePort(),
    dataFolder,
    durations,
    logFile: path.join(folder, 'emulator.log'),
  });
  const made: AccountClients[] = [];
  const clients = (accountId: string, credentials: Credentials): AccountClients => {
    const config = { endpoint: emulator.url, region: LAB_REGION, maxAttempts: 1, credentials };
    const all = {
      accountId,
      credentials,
      dynamodb: new DynamoDBClient(config),
      ebs: new EBSClient(config),
      ec2: new EC2Client(config),
      iam: new IAMClient(config),
      kms: new KMSClient(config),
      s3: new S3Client({ ...config, forcePathStyle: true }),
      sns: new SNSClient(config),
      ssm: new SSMClient(config),
      sts: new STSClient(config),
    };
    made.push(all);
    return all;
  };
  const account = async (accountId: string): Promise<AccountClients> => {
    const root = clients(accountId, { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'none' });
    return clients(accountId, await assumeRole(root.sts, accountId, 'OrganizationAccountAccessRole'));
  };
  return {
    emulator,
    lab: new EmulatorClient(emulator.url),
    dataFolder,
    member: await account(LAB_ACCOUNTS.member),
    forensics: await account(LAB_ACCOUNTS.forensics),
    clients,
    stop: async () => {
      for (const { dynamodb, ebs, ec2, iam, kms, s3, sns, ssm, sts } of made) {
        for (const client of [dynamodb, ebs, ec2, iam, kms, s3, sns, ssm, sts]) client.destroy();
      }
      await emulator.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

let shared: Promise<EmulatedAws> | undefined;

/** The emulator of the suite: starting one, and loading the SDK anew, would cost each file of rules some seconds. */
export function sharedEmulatedAws(): Promise<EmulatedAws> {
  shared ??= startEmulatedAws({ snapshotSeconds: 0.3, copySeconds: 0.4 });
  return shared;
}

export async function assumeRole(
  sts: STSClient,
  accountId: string,
  role: string,
  externalId?: string,
): Promise<Credentials> {
  const { Credentials: got } = await sts.send(
    new AssumeRoleCommand({
      RoleArn: `arn:aws:iam::${accountId}:role/${role}`,
      RoleSessionName: 'test',
      ExternalId: externalId,
    }),
  );
  return {
    accessKeyId: got!.AccessKeyId!,
    secretAccessKey: got!.SecretAccessKey!,
    sessionToken: got!.SessionToken!,
  };
}

const POLL_MS = 50;
const POLL_LIMIT_MS = 60_000;

/** Asks until the answer is accepted, which may take long on a busy machine. Throws with the last answer. */
export async function eventually<T>(ask: () => Promise<T>, accept: (answer: T) => boolean): Promise<T> {
  const deadline = Date.now() + POLL_LIMIT_MS;
  for (;;) {
    const answer = await ask();
    if (accept(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`not within ${POLL_LIMIT_MS / 1000} s: ${JSON.stringify(answer)}`);
    await sleep(POLL_MS);
  }
}

/** The name of the AWS error with which a call is refused; fails the test when the call succeeds. */
export async function refusal(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    return (error as Error).name;
  }
  throw new Error('the call succeeded where AWS refuses it');
}
