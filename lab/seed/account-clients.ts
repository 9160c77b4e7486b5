import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
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

/** Clients with an administrator's rights in one account of the lab: for set-up and for tests, never for the product. */
export interface AccountClients {
  accountId: string;
  autoScaling: AutoScalingClient;
  ec2: EC2Client;
  iam: IAMClient;
  kms: KMSClient;
  s3: S3Client;
  sns: SNSClient;
  ssm: SSMClient;
  dynamodb: DynamoDBClient;
}

/** Comes with every account that AWS Organizations makes; its management account may assume it. */
const ADMINISTRATOR = 'OrganizationAccountAccessRole';
/** Root of the lab's management account, by a key that the emulator knows (lab/aws/overlay/iam_callers.py). */
const MANAGEMENT = { accessKeyId: 'AKIALABSETUP', secretAccessKey: 'lab' };

/**
 * Clients of an account's administrator. Their sessions end after an hour, as on AWS; the SDK renews them.
 * @throws the SDK's error when the emulator does not let the administrator in.
 */
export async function administratorOf(accountId: string, endpoints: LabEndpoints): Promise<AccountClients> {
  const sts = new STSClient({ region: LAB_REGION, endpoint: endpoints.aws, credentials: MANAGEMENT });
  const credentials = async () => {
    const { Credentials: given } = await sts.send(
      new AssumeRoleCommand({
        RoleArn: `arn:aws:iam::${accountId}:role/${ADMINISTRATOR}`,
        RoleSessionName: 'lab-set-up',
      }),
    );
    if (!given?.AccessKeyId || !given.SecretAccessKey || !given.SessionToken || !given.Expiration) {
      throw new Error(`the emulator gave no credentials for account ${accountId}`);
    }
    return {
      accessKeyId: given.AccessKeyId,
      secretAccessKey: given.SecretAccessKey,
      sessionToken: given.SessionToken,
      expiration: given.Expiration,
    };
  };
  await credentials();
  const settings = { region: LAB_REGION, endpoint: endpoints.aws, credentials };
  return {
    accountId,
    autoScaling: new AutoScalingClient(settings),
    ec2: new EC2Client(settings),
    iam: new IAMClient(settings),
    kms: new KMSClient(settings),
    s3: new S3Client({ ...settings, forcePathStyle: true }),
    sns: new SNSClient(settings),
    ssm: new SSMClient({ ...settings, endpoint: endpoints.ssm }),
    dynamodb: new DynamoDBClient(settings),
  };
}
