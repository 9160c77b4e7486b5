import {
  CreateTableCommand,
  type CreateTableCommandInput,
  type DynamoDBClient,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import type { KMSClient } from '@aws-sdk/client-kms';
import {
  type BucketLocationConstraint,
  CreateBucketCommand,
  PutBucketEncryptionCommand,
  PutBucketLifecycleConfigurationCommand,
  PutPublicAccessBlockCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { CreateTopicCommand, type SNSClient } from '@aws-sdk/client-sns';
import {
  CreateDocumentCommand,
  DescribeDocumentCommand,
  ModifyDocumentPermissionCommand,
  type SSMClient,
  UpdateDocumentCommand,
  UpdateDocumentDefaultVersionCommand,
} from '@aws-sdk/client-ssm';
import type { DocumentSet, ForensicsConfig, PublishedDocument } from '../activities/config';
import { loadDocuments } from '../ssm-documents/documents';
import { unlessThere } from './ensure';
import { ensureKey } from './set-up-member-account';
import { publishVerifier } from './verifier-program';

export interface ForensicsAccountClients {
  s3: S3Client;
  kms: KMSClient;
  dynamodb: DynamoDBClient;
  sns: SNSClient;
  ssm: SSMClient;
}

export interface ForensicsAccountSettings {
  region: string;
  forensicsAccountId: string;
  /** Accounts whose instances the acquisition document may be run on. */
  memberAccountIds: string[];
  /** Definition of the case table; kept with the activity that writes it. */
  caseTable: CreateTableCommandInput;
}

type SetUpParts = Pick<
  ForensicsConfig,
  'evidenceKeyArn' | 'sealingKeyArn' | 'verifier' | 'buckets' | 'caseTable' | 'topicArn' | 'documents'
>;

/** Days after which staged objects and unfinished uploads go away by themselves. */
const STAGING_DAYS = 3;

/**
 * What the forensics account needs in one Region: the evidence key, the sealing key, three buckets, the case table, the
 * topic, the documents, the verifier. Idempotent. Returns the parts of the worker's configuration that follow from it.
 */
export async function setUpForensicsAccount(
  clients: ForensicsAccountClients,
  settings: ForensicsAccountSettings,
): Promise<SetUpParts> {
  const { region, forensicsAccountId } = settings;
  const evidenceKeyArn = await ensureKey(clients.kms, 'alias/forensics-evidence', 'ec2-forensics: evidence');
  const sealingKeyArn = await ensureKey(clients.kms, 'alias/forensics-sealing', 'ec2-forensics: seals of cases', {
    signs: 'ECC_NIST_P256',
  });
  const bucket = (purpose: string) => `forensics-${purpose}-${forensicsAccountId}-${region}`;
  const buckets = { staging: bucket('staging'), evidence: bucket('evidence'), tools: bucket('tools') };
  for (const name of Object.values(buckets)) {
    await ensureBucket(clients.s3, name, region, evidenceKeyArn, name === buckets.evidence);
  }
  await clients.s3.send(
    new PutBucketLifecycleConfigurationCommand({
      Bucket: buckets.staging,
      LifecycleConfiguration: {
        Rules: [
          {
            ID: 'staged objects are short-lived',
            Status: 'Enabled',
            Filter: { Prefix: '' },
            Expiration: { Days: STAGING_DAYS },
            AbortIncompleteMultipartUpload: { DaysAfterInitiation: STAGING_DAYS },
          },
        ],
      },
    }),
  );
  await unlessThere(() => clients.dynamodb.send(new CreateTableCommand(settings.caseTable)), 'ResourceInUseException');
  const caseTable = settings.caseTable.TableName ?? '';
  await waitUntilTableExists({ client: clients.dynamodb, maxWaitTime: 60, minDelay: 1 }, { TableName: caseTable });
  const topic = await clients.sns.send(new CreateTopicCommand({ Name: 'forensics-cases' }));
  const documents = await publishDocuments(clients.ssm, settings);
  const verifier = await publishVerifier(clients.s3, buckets.tools);
  return { evidenceKeyArn, sealingKeyArn, verifier, buckets, caseTable, topicArn: topic.TopicArn ?? '', documents };
}

async function ensureBucket(
  s3: S3Client,
  name: string,
  region: string,
  keyArn: string,
  writeOnce: boolean,
): Promise<void> {
  await unlessThere(
    () =>
      s3.send(
        new CreateBucketCommand({
          Bucket: name,
          // Object Lock turns versioning on with it. Retention is given with each object, so none is lost to a default.
          ...(writeOnce && { ObjectLockEnabledForBucket: true }),
          // us-east-1 is named by leaving the constraint out.
          ...(region !== 'us-east-1' && {
            CreateBucketConfiguration: { LocationConstraint: region as BucketLocationConstraint },
          }),
        }),
      ),
    'BucketAlreadyOwnedByYou',
  );
  await s3.send(
    new PutPublicAccessBlockCommand({
      Bucket: name,
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
    }),
  );
  await s3.send(
    new PutBucketEncryptionCommand({
      Bucket: name,
      ServerSideEncryptionConfiguration: {
        Rules: [
          {
            ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: keyArn },
            BucketKeyEnabled: true,
          },
        ],
      },
    }),
  );
}

/**
 * Publishes the documents; one that changed gets a new version, and the version is pinned in the configuration. What
 * runs on a suspect is shared, with the member accounts; it stays shared (unsharing would break another case).
 */
export async function publishDocuments(
  ssm: SSMClient,
  settings: Pick<ForensicsAccountSettings, 'region' | 'forensicsAccountId' | 'memberAccountIds'>,
): Promise<DocumentSet> {
  const published: Partial<Record<keyof DocumentSet, PublishedDocument>> = {};
  for (const { key, name, content, sha256 } of loadDocuments()) {
    await unlessThere(
      () =>
        ssm.send(
          new CreateDocumentCommand({ Name: name, Content: content, DocumentType: 'Command', DocumentFormat: 'JSON' }),
        ),
      'DocumentAlreadyExists',
    );
    await unlessThere(async () => {
      const updated = await ssm.send(
        new UpdateDocumentCommand({ Name: name, Content: content, DocumentFormat: 'JSON', DocumentVersion: '$LATEST' }),
      );
      await ssm.send(
        new UpdateDocumentDefaultVersionCommand({
          Name: name,
          DocumentVersion: updated.DocumentDescription?.DocumentVersion ?? '1',
        }),
      );
    }, 'DuplicateDocumentContent');
    const described = await ssm.send(new DescribeDocumentCommand({ Name: name }));
    // What runs on a suspect is sent from its own account.
    if (key === 'acquireMemoryLinux' || key === 'probeIsolation') {
      await ssm.send(
        new ModifyDocumentPermissionCommand({
          Name: name,
          PermissionType: 'Share',
          AccountIdsToAdd: settings.memberAccountIds,
        }),
      );
    }
    published[key] = {
      name,
      arn: `arn:aws:ssm:${settings.region}:${settings.forensicsAccountId}:document/${name}`,
      version: described.Document?.DocumentVersion ?? '1',
      // As Systems Manager computes it: it is what SendCommand compares DocumentHash with.
      sha256: described.Document?.Hash ?? sha256,
    };
  }
  const { acquireMemoryLinux, examineMemory, examineDisk, probeIsolation } = published;
  if (!acquireMemoryLinux || !examineMemory || !examineDisk || !probeIsolation)
    throw new Error('ssm-documents/ lacks one of the documents that a case needs');
  return { acquireMemoryLinux, examineMemory, examineDisk, probeIsolation };
}
