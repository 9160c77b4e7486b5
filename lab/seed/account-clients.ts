import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EC2Client } from '@aws-sdk/client-ec2';
import { IAMClient } from '@aws-sdk/client-iam';
import { KMSClient } from '@aws-sdk/client-kms';
import { S3Client } from '@aws-sdk/client-s3';
import { SNSClient } from '@aws-sdk/client-sns';
import { SSMClient } from '@aws-sdk/client-ssm';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { LAB_REGION } from '../config';

export interface LabEndpoints {
  /** Every service of AWS but Run Command. */
  aws: string;
  /** Run Command. */
  ssm: string;
}

export interface LabCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

/** Clients with an administrator's rights in one account of the lab: for set-up and for tests, never for the product. */
export interface AccountClients {
  accountId: string;
  credentials: LabCredentials;
  ec2: EC2Client;
  iam: IAMClient;
  kms: KMSClient;
  s3: S3Client;
  sns: SNSClient;
  ssm: SSMClient;
  dynamodb: DynamoDBClient;
}

/** Comes with every account that AWS Organizations makes; the emulator lets anyone assume it. */
const ADMINISTRATOR = 'OrganizationAccountAccessRole';

export async function administratorOf(accountId: string, endpoints: LabEndpoints): Promise<AccountClients> {
  const sts = new STSClient({
    region: LAB_REGION,
    endpoint: endpoints.aws,
    credentials: { accessKeyId: 'AKIALABSETUP', secretAccessKey: 'lab' },
  });
  const { Credentials } = await sts.send(
    new AssumeRoleCommand({
      RoleArn: `arn:aws:iam::${accountId}:role/${ADMINISTRATOR}`,
      RoleSessionName: 'lab-set-up',
    }),
  );
  if (!Credentials?.AccessKeyId || !Credentials.SecretAccessKey || !Credentials.SessionToken) {
    throw new Error(`the emulator gave no credentials for account ${accountId}`);
  }
  const credentials: LabCredentials = {
    accessKeyId: Credentials.AccessKeyId,
    secretAccessKey: Credentials.SecretAccessKey,
    sessionToken: Credentials.SessionToken,
  };
  return clientsWith(accountId, credentials, endpoints);
}

export function clientsWith(accountId: string, credentials: LabCredentials, endpoints: LabEndpoints): AccountClients {
  const settings = { region: LAB_REGION, endpoint: endpoints.aws, credentials };
  return {
    accountId,
    credentials,
    ec2: new EC2Client(settings),
    iam: new IAMClient(settings),
    kms: new KMSClient(settings),
    s3: new S3Client({ ...settings, forcePathStyle: true }),
    sns: new SNSClient(settings),
    ssm: new SSMClient({ ...settings, endpoint: endpoints.ssm }),
    dynamodb: new DynamoDBClient(settings),
  };
}
