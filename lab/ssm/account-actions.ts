import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';

interface Session {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
  expiration: Date;
}

/** A session is renewed when it has less than this left. */
const RENEW_BEFORE_MS = 300_000;

/**
 * What Run Command and its agents do in an account on AWS with the service role and the instance profile: tell a topic,
 * put output into a bucket. The lab's agents carry no credentials of their own, so both are done as the account's
 * administrator: bucket policies hold, the policies of the two roles do not.
 */
export class AccountActions {
  private readonly sessions = new Map<string, Promise<Session>>();

  constructor(private readonly awsUrl: string) {}

  async publish(accountId: string, region: string, topicArn: string, message: object): Promise<void> {
    const client = new SNSClient({ region, endpoint: this.awsUrl, credentials: await this.session(accountId, region) });
    try {
      const Subject = `EC2 Run Command Notification ${region}`;
      await client.send(new PublishCommand({ TopicArn: topicArn, Subject, Message: JSON.stringify(message) }));
    } finally {
      client.destroy();
    }
  }

  /** A URL that takes one PUT of an object's bytes, so that they need not be held to be signed. */
  async putUrl(accountId: string, region: string, bucket: string, key: string): Promise<string> {
    const credentials = await this.session(accountId, region);
    const client = new S3Client({
      region,
      endpoint: this.awsUrl,
      credentials,
      forcePathStyle: true,
      requestChecksumCalculation: 'WHEN_REQUIRED',
    });
    try {
      return await getSignedUrl(client, new PutObjectCommand({ Bucket: bucket, Key: key }), { expiresIn: 900 });
    } finally {
      client.destroy();
    }
  }

  close(): void {
    this.sessions.clear();
  }

  private async session(accountId: string, region: string): Promise<Session> {
    const known = await this.sessions.get(accountId)?.catch(() => undefined);
    if (known !== undefined && known.expiration.getTime() - Date.now() > RENEW_BEFORE_MS) return known;
    const session = this.assume(accountId, region);
    this.sessions.set(accountId, session);
    return await session;
  }

  private async assume(accountId: string, region: string): Promise<Session> {
    const sts = new STSClient({
      region,
      endpoint: this.awsUrl,
      credentials: { accessKeyId: 'AKIALABRUNCOMMAND', secretAccessKey: 'lab' },
    });
    try {
      const RoleArn = `arn:aws:iam::${accountId}:role/OrganizationAccountAccessRole`;
      const { Credentials } = await sts.send(new AssumeRoleCommand({ RoleArn, RoleSessionName: 'run-command' }));
      const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = Credentials ?? {};
      if (AccessKeyId === undefined || SecretAccessKey === undefined || SessionToken === undefined) {
        throw new Error(`the emulator gave no credentials for account ${accountId}`);
      }
      return {
        accessKeyId: AccessKeyId,
        secretAccessKey: SecretAccessKey,
        sessionToken: SessionToken,
        expiration: Expiration ?? new Date(Date.now() + 3_600_000),
      };
    } finally {
      sts.destroy();
    }
  }
}
