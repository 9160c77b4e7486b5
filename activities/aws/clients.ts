import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EBSClient } from '@aws-sdk/client-ebs';
import { EC2Client } from '@aws-sdk/client-ec2';
import { ElasticLoadBalancingV2Client } from '@aws-sdk/client-elastic-load-balancing-v2';
import { IAMClient } from '@aws-sdk/client-iam';
import { KMSClient } from '@aws-sdk/client-kms';
import { S3Client } from '@aws-sdk/client-s3';
import { SNSClient } from '@aws-sdk/client-sns';
import { SSMClient } from '@aws-sdk/client-ssm';
import { STSClient } from '@aws-sdk/client-sts';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { ForensicsConfig, MemberRoles } from '../config';
import { noteCalls } from './call-notes';
import { assumedRoleCredentials, type CredentialsProvider, sessionName } from './credentials';

/** Which of a member account's roles is meant: each may do what its purpose needs and no more. */
export type MemberPurpose = keyof MemberRoles;

/** How the product names itself in CloudTrail: `ec2-forensics/<version>` at the end of the user agent. */
const USER_AGENT: [string, string][] = [['ec2-forensics', '0.1.0']];

/** Tries of one call inside the SDK. Few: what stays throttled is retried by Temporal, which holds no slot meanwhile. */
const TRIES = 3;
/** Block reads are many and cheap to repeat; the adaptive mode slows all of them down together when EBS throttles. */
const BLOCK_READ_TRIES = 8;
/** Sockets to one endpoint, shared by all clients of the process. */
const SOCKETS = 200;
/** Accounts × purposes × cases whose clients are kept. One set weighs some 100 KB, so this bounds the worker's memory. */
const KEPT_CLIENT_SETS = 200;

interface Shared {
  requestHandler: NodeHttpHandler;
  forcePathStyle: boolean;
}

/** The AWS clients of one account, Region and identity; each is made when it is first used. */
export class AccountClients {
  private readonly made = new Map<string, unknown>();

  constructor(
    readonly accountId: string,
    readonly region: string,
    private readonly shared: Shared,
    /** ARN of the role that acts, as CloudTrail names it. */
    private readonly principal: string,
    private readonly credentials?: CredentialsProvider,
  ) {}

  get ec2(): EC2Client {
    return this.once('ec2', () => new EC2Client(this.settings(TRIES)));
  }

  /**
   * For calls that make something and take no client token (CreateSnapshots, CopySnapshot, CreateSecurityGroup): the SDK
   * must not repeat them, since the first try may have been carried out although its answer was lost. The activity's own
   * next attempt looks for the tag first.
   */
  get ec2WithoutRetries(): EC2Client {
    return this.once('ec2-without-retries', () => new EC2Client(this.settings(1)));
  }

  get ebs(): EBSClient {
    return this.once('ebs', () => new EBSClient({ ...this.settings(BLOCK_READ_TRIES), retryMode: 'adaptive' }));
  }

  get ssm(): SSMClient {
    return this.once('ssm', () => new SSMClient(this.settings(TRIES)));
  }

  /** SendCommand takes no client token either: see `ec2WithoutRetries`. */
  get ssmWithoutRetries(): SSMClient {
    return this.once('ssm-without-retries', () => new SSMClient(this.settings(1)));
  }

  get autoScaling(): AutoScalingClient {
    return this.once('auto-scaling', () => new AutoScalingClient(this.settings(TRIES)));
  }

  get iam(): IAMClient {
    return this.once('iam', () => new IAMClient(this.settings(TRIES)));
  }

  get loadBalancing(): ElasticLoadBalancingV2Client {
    return this.once('load-balancing', () => new ElasticLoadBalancingV2Client(this.settings(TRIES)));
  }

  get kms(): KMSClient {
    return this.once('kms', () => new KMSClient(this.settings(TRIES)));
  }

  get s3(): S3Client {
    return this.once('s3', () => new S3Client({ ...this.settings(TRIES), forcePathStyle: this.shared.forcePathStyle }));
  }

  /** For writes into the evidence bucket: one that is repeated after its answer was lost makes a second, locked version. */
  get s3WithoutRetries(): S3Client {
    return this.once(
      's3-without-retries',
      () => new S3Client({ ...this.settings(1), forcePathStyle: this.shared.forcePathStyle }),
    );
  }

  get dynamo(): DynamoDBDocumentClient {
    return this.once('dynamo', () =>
      DynamoDBDocumentClient.from(new DynamoDBClient(this.settings(TRIES)), {
        marshallOptions: { removeUndefinedValues: true },
      }),
    );
  }

  get sns(): SNSClient {
    return this.once('sns', () => new SNSClient(this.settings(TRIES)));
  }

  get sts(): STSClient {
    return this.once('sts', () => new STSClient(this.settings(TRIES)));
  }

  private settings(maxAttempts: number) {
    return {
      region: this.region,
      retryMode: 'standard',
      maxAttempts,
      requestHandler: this.shared.requestHandler,
      customUserAgent: USER_AGENT,
      ...(this.credentials && { credentials: this.credentials }),
    };
  }

  private once<Client extends { middlewareStack: Parameters<typeof noteCalls>[0] }>(
    name: string,
    make: () => Client,
  ): Client {
    const known = this.made.get(name) as Client | undefined;
    if (known !== undefined) return known;
    const client = make();
    noteCalls(client.middlewareStack, this.accountId, this.principal);
    this.made.set(name, client);
    return client;
  }
}

/**
 * Every AWS client of a worker, by account, Region and purpose. Endpoints come from the SDK's own variables
 * (`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_SSM`, …), credentials of the forensics account from its default chain;
 * `AWS_S3_FORCE_PATH_STYLE=true` addresses buckets by path, which endpoints without wildcard DNS need.
 */
export class AwsClients {
  private readonly shared: Shared;
  private readonly own: AccountClients;
  /** In order of last use: the first one is dropped when there are too many. */
  private readonly members = new Map<string, AccountClients>();

  constructor(
    private readonly config: Pick<ForensicsConfig, 'region' | 'forensicsAccountId' | 'memberRoles' | 'externalId'>,
    env: NodeJS.ProcessEnv = process.env,
  ) {
    const sockets = { keepAlive: true, maxSockets: SOCKETS };
    this.shared = {
      requestHandler: new NodeHttpHandler({
        httpAgent: new HttpAgent(sockets),
        httpsAgent: new HttpsAgent(sockets),
        connectionTimeout: 5_000,
        requestTimeout: 60_000,
        throwOnRequestTimeout: true,
      }),
      forcePathStyle: env.AWS_S3_FORCE_PATH_STYLE === 'true',
    };
    this.own = new AccountClients(
      config.forensicsAccountId,
      config.region,
      this.shared,
      `the worker's own role in account ${config.forensicsAccountId}`,
    );
  }

  /** The forensics account, with the worker's own credentials, in the worker's Region. */
  forensics(): AccountClients {
    return this.own;
  }

  /**
   * A member account through the role of one purpose.
   * @param caseId becomes the session's name, so that the member account's CloudTrail tells which case acted; without
   * it the session is named after the purpose.
   */
  member(accountId: string, region: string, purpose: MemberPurpose, caseId?: string): AccountClients {
    const key = [accountId, region, purpose, caseId ?? ''].join('/');
    const known = this.members.get(key);
    const clients = known ?? this.makeMember(accountId, region, purpose, caseId);
    this.members.delete(key);
    this.members.set(key, clients);
    const oldest = this.members.keys().next().value;
    if (this.members.size > KEPT_CLIENT_SETS && oldest !== undefined) this.members.delete(oldest);
    return clients;
  }

  /** Closes the sockets; the clients cannot be used any more. */
  destroy(): void {
    this.members.clear();
    this.shared.requestHandler.destroy();
  }

  private makeMember(accountId: string, region: string, purpose: MemberPurpose, caseId?: string): AccountClients {
    const { memberRoles, externalId } = this.config;
    const session = sessionName(caseId ?? `ec2-forensics-${purpose}`);
    const credentials = assumedRoleCredentials(() => this.own.sts, {
      roleArn: `arn:${partitionOf(region)}:iam::${accountId}:role/${memberRoles[purpose]}`,
      sessionName: session,
      ...(externalId !== undefined && { externalId }),
    });
    const principal = `arn:${partitionOf(region)}:sts::${accountId}:assumed-role/${memberRoles[purpose]}/${session}`;
    return new AccountClients(accountId, region, this.shared, principal, credentials);
  }
}

/** The ARN partition of a Region. Source: IAM User Guide, "Amazon Resource Names". */
function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
}
