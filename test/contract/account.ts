import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EBSClient } from '@aws-sdk/client-ebs';
import { EC2Client } from '@aws-sdk/client-ec2';
import { IAMClient } from '@aws-sdk/client-iam';
import { KMSClient } from '@aws-sdk/client-kms';
import { S3Client } from '@aws-sdk/client-s3';
import { SNSClient } from '@aws-sdk/client-sns';
import { SSMClient } from '@aws-sdk/client-ssm';
import { STSClient } from '@aws-sdk/client-sts';
import { callLogger } from './calls-made';

/** Of the lab or of an assumed role; an account on AWS has a profile instead. */
export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

export interface ClientSettings {
  region: string;
  credentials?: Credentials;
  profile?: string;
  /** The lab's; without them the SDK's own endpoints of AWS. */
  endpoints?: { aws: string; ssm: string };
}

/** The clients of one identity. */
export class Account {
  readonly autoScaling: AutoScalingClient;
  readonly dynamodb: DynamoDBClient;
  readonly ebs: EBSClient;
  readonly ec2: EC2Client;
  readonly iam: IAMClient;
  readonly kms: KMSClient;
  readonly s3: S3Client;
  readonly sns: SNSClient;
  readonly ssm: SSMClient;
  readonly sts: STSClient;

  constructor(
    readonly accountId: string,
    readonly settings: ClientSettings,
  ) {
    const { region, credentials, profile, endpoints } = settings;
    const common = {
      region,
      logger: callLogger,
      ...(credentials && { credentials }),
      ...(profile !== undefined && { profile }),
      // The lab throttles nobody, and one attempt shows its errors; on AWS the SDK waits when it is throttled.
      ...(endpoints ? { endpoint: endpoints.aws, maxAttempts: 1 } : { maxAttempts: 8 }),
    };
    this.autoScaling = new AutoScalingClient(common);
    this.dynamodb = new DynamoDBClient(common);
    this.ebs = new EBSClient(common);
    this.ec2 = new EC2Client(common);
    this.iam = new IAMClient(common);
    this.kms = new KMSClient(common);
    this.s3 = new S3Client({ ...common, ...(endpoints && { forcePathStyle: true }) });
    this.sns = new SNSClient(common);
    this.ssm = new SSMClient({ ...common, ...(endpoints && { endpoint: endpoints.ssm }) });
    this.sts = new STSClient(common);
  }

  get rootArn(): string {
    return `arn:aws:iam::${this.accountId}:root`;
  }

  /** Clients of the same account and Region with the credentials of a role. */
  as(credentials: Credentials): Account {
    const { region, endpoints } = this.settings;
    return new Account(this.accountId, { region, credentials, ...(endpoints && { endpoints }) });
  }

  close(): void {
    const { autoScaling, dynamodb, ebs, ec2, iam, kms, s3, sns, ssm, sts } = this;
    for (const client of [autoScaling, dynamodb, ebs, ec2, iam, kms, s3, sns, ssm, sts]) client.destroy();
  }
}
