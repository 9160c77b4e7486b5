import type { ForensicsConfig } from '../activities/config';
import { policy, type PolicyDocument } from './role-policies';

/** What the worker's own permissions are scoped to: its deployment, and the accounts that it serves. */
export interface WorkerScope extends Pick<
  ForensicsConfig,
  | 'region'
  | 'forensicsAccountId'
  | 'memberRoles'
  | 'evidenceKeyArn'
  | 'sealingKeyArn'
  | 'purgeRole'
  | 'buckets'
  | 'caseTable'
  | 'topicArn'
  | 'documents'
> {
  memberAccountIds: string[];
  forensicInstance: Pick<ForensicsConfig['forensicInstance'], 'imageId' | 'subnetId' | 'securityGroupId'>;
  /** Role of the forensic instances' profile, where they have one. */
  examinerRoleArn?: string;
}

/** Set by the call that makes something for a case; what lacks it is not the worker's to use up or delete. */
const CASE_TAG = 'forensics:case';
const MADE_WITH_CASE = { Null: { [`aws:RequestTag/${CASE_TAG}`]: 'false' } };
const OF_A_CASE = { Null: { [`aws:ResourceTag/${CASE_TAG}`]: 'false' } };

/**
 * What a worker may do in the forensics account; into member accounts it goes by their roles alone. It cannot delete
 * evidence (a role of its own may, after its retention), lift a lock, or read a bucket that is not the product's. 6,144 characters at most: the size of a managed policy.
 */
export function workerPolicy(scope: WorkerScope): PolicyDocument {
  return policy(...members(scope), ...disks(scope), ...examination(scope), ...objects(scope), ...records(scope));
}

function members(scope: WorkerScope): PolicyDocument['Statement'] {
  const { memberAccountIds, memberRoles, region, forensicsAccountId, purgeRole } = scope;
  const keys = memberAccountIds.map((account) => `arn:aws:kms:${region}:${account}:key/*`);
  return [
    {
      Sid: 'EnterMemberAccounts',
      Effect: 'Allow',
      Action: ['sts:AssumeRole'],
      Resource: memberAccountIds.flatMap((account) =>
        Object.values<string>({ ...memberRoles }).map((role) => `arn:aws:iam::${account}:role/${role}`),
      ),
    },
    ...(purgeRole === undefined
      ? []
      : [
          {
            Sid: 'PurgeAfterRetention',
            Effect: 'Allow' as const,
            Action: ['sts:AssumeRole'],
            Resource: [`arn:aws:iam::${forensicsAccountId}:role/${purgeRole}`],
          },
        ]),
    {
      // Whether a key's own policy lets this account in is for that policy to say.
      Sid: 'ReadWhatIsShared',
      Effect: 'Allow',
      Action: ['kms:DescribeKey', 'kms:Decrypt', 'kms:ReEncryptFrom'],
      Resource: keys,
    },
    {
      Sid: 'LetEbsReadWhatIsShared',
      Effect: 'Allow',
      Action: ['kms:CreateGrant'],
      Resource: keys,
      Condition: { Bool: { 'kms:GrantIsForAWSResource': 'true' } },
    },
  ];
}

function disks({ region, forensicsAccountId, evidenceKeyArn }: WorkerScope): PolicyDocument['Statement'] {
  const snapshots = `arn:aws:ec2:${region}::snapshot/*`;
  const own = (kind: string) => `arn:aws:ec2:${region}:${forensicsAccountId}:${kind}/*`;
  return [
    {
      Sid: 'Look',
      Effect: 'Allow',
      Action: [
        'ec2:DescribeInstances',
        'ec2:DescribeLockedSnapshots',
        'ec2:DescribeSnapshotAttribute',
        'ec2:DescribeSnapshots',
        'ec2:DescribeVolumes',
        'ssm:DescribeInstanceInformation',
        'ssm:GetCommandInvocation',
        'ssm:ListCommands',
      ],
      Resource: ['*'],
    },
    { Sid: 'Copy', Effect: 'Allow', Action: ['ec2:CopySnapshot'], Resource: [snapshots] },
    {
      Sid: 'TagWhatIsMade',
      Effect: 'Allow',
      Action: ['ec2:CreateTags'],
      Resource: [snapshots, own('instance'), own('volume')],
      Condition: { StringEquals: { 'ec2:CreateAction': ['CopySnapshot', 'CreateVolume', 'RunInstances'] } },
    },
    {
      Sid: 'LockAndVerify',
      Effect: 'Allow',
      Action: ['ec2:LockSnapshot', 'ebs:ListSnapshotBlocks', 'ebs:GetSnapshotBlock'],
      Resource: [snapshots],
      Condition: OF_A_CASE,
    },
    {
      Sid: 'UseTheEvidenceKey',
      Effect: 'Allow',
      Action: [
        'kms:DescribeKey',
        'kms:Decrypt',
        'kms:GenerateDataKey',
        'kms:GenerateDataKeyWithoutPlaintext',
        'kms:ReEncryptFrom',
        'kms:ReEncryptTo',
      ],
      Resource: [evidenceKeyArn],
    },
    {
      Sid: 'LetEbsUseTheEvidenceKey',
      Effect: 'Allow',
      Action: ['kms:CreateGrant'],
      Resource: [evidenceKeyArn],
      Condition: { Bool: { 'kms:GrantIsForAWSResource': 'true' } },
    },
  ];
}

function examination(scope: WorkerScope): PolicyDocument['Statement'] {
  const { region, forensicsAccountId, forensicInstance, documents, examinerRoleArn } = scope;
  const ec2 = (resource: string) => `arn:aws:ec2:${region}:${forensicsAccountId}:${resource}`;
  return [
    {
      Sid: 'LaunchFrom',
      Effect: 'Allow',
      Action: ['ec2:RunInstances'],
      Resource: [
        `arn:aws:ec2:${region}::image/${forensicInstance.imageId}`,
        ec2(`subnet/${forensicInstance.subnetId}`),
        ec2(`security-group/${forensicInstance.securityGroupId}`),
        ec2('network-interface/*'),
      ],
    },
    {
      Sid: 'MakeForACase',
      Effect: 'Allow',
      Action: ['ec2:RunInstances', 'ec2:CreateVolume'],
      Resource: [ec2('instance/*'), ec2('volume/*')],
      Condition: MADE_WITH_CASE,
    },
    {
      Sid: 'UseUpOfACase',
      Effect: 'Allow',
      Action: [
        'ec2:AttachVolume',
        'ec2:CreateVolume',
        'ec2:DeleteVolume',
        'ec2:DetachVolume',
        'ec2:TerminateInstances',
      ],
      Resource: [ec2('instance/*'), ec2('volume/*'), `arn:aws:ec2:${region}::snapshot/*`],
      Condition: OF_A_CASE,
    },
    {
      Sid: 'Examine',
      Effect: 'Allow',
      Action: ['ssm:SendCommand'],
      Resource: [documents.examineMemory.arn, documents.examineDisk.arn],
    },
    {
      Sid: 'ExamineOn',
      Effect: 'Allow',
      Action: ['ssm:SendCommand'],
      Resource: [ec2('instance/*')],
      Condition: { StringLike: { [`ssm:resourceTag/${CASE_TAG}`]: '*' } },
    },
    // Systems Manager offers no resources for it.
    { Sid: 'StopCommands', Effect: 'Allow', Action: ['ssm:CancelCommand'], Resource: ['*'] },
    ...(examinerRoleArn === undefined
      ? []
      : [
          {
            Sid: 'GiveExaminersTheirRole',
            Effect: 'Allow' as const,
            Action: ['iam:PassRole'],
            Resource: [examinerRoleArn],
            Condition: { StringEquals: { 'iam:PassedToService': 'ec2.amazonaws.com' } },
          },
        ]),
  ];
}

function objects({ buckets }: WorkerScope): PolicyDocument['Statement'] {
  const bucket = (name: string) => `arn:aws:s3:::${name}`;
  return [
    {
      Sid: 'Stage',
      Effect: 'Allow',
      Action: [
        's3:AbortMultipartUpload',
        's3:DeleteObject',
        's3:GetObject',
        's3:ListMultipartUploadParts',
        's3:PutObject',
      ],
      Resource: [`${bucket(buckets.staging)}/*`],
    },
    {
      Sid: 'KeepEvidence',
      Effect: 'Allow',
      Action: [
        's3:AbortMultipartUpload',
        's3:GetObject',
        's3:GetObjectLegalHold',
        's3:GetObjectRetention',
        's3:GetObjectVersion',
        's3:PutObject',
        's3:PutObjectLegalHold',
        's3:PutObjectRetention',
      ],
      Resource: [`${bucket(buckets.evidence)}/*`],
    },
    { Sid: 'HandOutTools', Effect: 'Allow', Action: ['s3:GetObject'], Resource: [`${bucket(buckets.tools)}/*`] },
    {
      // Without it S3 answers 403 for an object that is not there, and "not yet written" could not be told from "denied".
      Sid: 'TellWhatIsNotThere',
      Effect: 'Allow',
      Action: ['s3:ListBucket', 's3:ListBucketMultipartUploads'],
      Resource: [bucket(buckets.staging), bucket(buckets.evidence)],
    },
    {
      Sid: 'SeeEveryVersion',
      Effect: 'Allow',
      Action: ['s3:ListBucketVersions'],
      Resource: [bucket(buckets.evidence)],
    },
  ];
}

function records({
  region,
  forensicsAccountId,
  caseTable,
  topicArn,
  sealingKeyArn,
}: WorkerScope): PolicyDocument['Statement'] {
  return [
    {
      Sid: 'RecordCases',
      Effect: 'Allow',
      Action: [
        'dynamodb:GetItem',
        'dynamodb:BatchGetItem',
        'dynamodb:Query',
        'dynamodb:Scan',
        'dynamodb:PutItem',
        'dynamodb:UpdateItem',
      ],
      Resource: [`arn:aws:dynamodb:${region}:${forensicsAccountId}:table/${caseTable}`],
    },
    { Sid: 'Notify', Effect: 'Allow', Action: ['sns:Publish'], Resource: [topicArn] },
    { Sid: 'Seal', Effect: 'Allow', Action: ['kms:GetPublicKey', 'kms:Sign'], Resource: [sealingKeyArn] },
  ];
}
