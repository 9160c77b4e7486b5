import { type Snapshot, paginateDescribeSnapshots } from '@aws-sdk/client-ec2';
import { ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { GetCommand, paginateScan } from '@aws-sdk/lib-dynamodb';
import { ApplicationFailure } from '@temporalio/common';
import type { CaseRecord } from '../domain/outcome';
import type { AccountClients } from './aws/clients';
import { awsStep } from './aws/errors';
import { CASE_TAG } from './aws/idempotency';
import { headKeys } from './case-table';

/** Everything of a case in the evidence bucket lies below this. */
export const caseFolder = (caseId: string): string => `cases/${caseId}/`;

/** What S3 lists under a key: a version, or a delete marker that hides those below it. */
export interface ListedVersion {
  key: string;
  versionId: string;
  /** 0 for a delete marker. */
  sizeBytes: number;
  isLatest: boolean;
  isDeleteMarker: boolean;
}

/** Every version and delete marker below a prefix. */
export async function listVersions({ s3 }: AccountClients, Bucket: string, Prefix: string): Promise<ListedVersion[]> {
  return awsStep(`listing the versions of s3://${Bucket}/${Prefix}`, async (options) => {
    const found: ListedVersion[] = [];
    let next: { KeyMarker?: string | undefined; VersionIdMarker?: string | undefined } = {};
    for (;;) {
      const page = await s3.send(new ListObjectVersionsCommand({ Bucket, Prefix, ...next }), options);
      const listed = ({ Key = '', VersionId = 'null', Size = 0, IsLatest = false }, isDeleteMarker: boolean) => ({
        key: Key,
        versionId: VersionId,
        sizeBytes: Size,
        isLatest: IsLatest,
        isDeleteMarker,
      });
      found.push(...(page.Versions ?? []).map((one) => listed(one, false)));
      found.push(...(page.DeleteMarkers ?? []).map((one) => listed(one, true)));
      if (!page.IsTruncated) return found;
      next = { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker };
    }
  });
}

/** The account's own snapshots that carry the case's tag. */
export async function listSnapshotsOfCase({ ec2, accountId }: AccountClients, caseId: string): Promise<Snapshot[]> {
  return awsStep(`listing the snapshots of case ${caseId} in account ${accountId}`, async (options) => {
    const found: Snapshot[] = [];
    const query = { OwnerIds: ['self'], Filters: [{ Name: `tag:${CASE_TAG}`, Values: [caseId] }] };
    for await (const page of paginateDescribeSnapshots({ client: ec2, pageSize: 1000 }, query, options))
      found.push(...(page.Snapshots ?? []));
    return found;
  });
}

/**
 * How the case stands in the table.
 * @throws ApplicationFailure `InvalidRequest` (final) when there is no such case
 */
export async function readCaseRecord(
  { dynamo }: AccountClients,
  TableName: string,
  caseId: string,
): Promise<CaseRecord> {
  const { Item: item } = await awsStep(`reading the head of case ${caseId}`, (options) =>
    dynamo.send(new GetCommand({ TableName, Key: headKeys(caseId), ConsistentRead: true }), options),
  );
  if (!item) {
    throw ApplicationFailure.nonRetryable(
      `there is no case ${caseId} in table ${TableName}: check the case id and the Region`,
      'InvalidRequest',
    );
  }
  return recordOf(item);
}

/**
 * Every case of the table. Reads the whole table: fit for an audit once a day, and for what threatens all cases, not for more.
 */
export async function readCaseRecords({ dynamo }: AccountClients, TableName: string): Promise<CaseRecord[]> {
  return awsStep(`listing the cases of table ${TableName}`, async (options) => {
    const found: CaseRecord[] = [];
    const query = {
      TableName,
      FilterExpression: 'entity = :case',
      ExpressionAttributeValues: { ':case': 'case' },
      ConsistentRead: true,
    };
    for await (const page of paginateScan({ client: dynamo }, query, options))
      found.push(...(page.Items ?? []).map(recordOf));
    return found;
  });
}

/** What the table holds under a head is as `recordEvents` wrote it. */
const recordOf = (item: Record<string, unknown>): CaseRecord => item as Record<string, unknown> & CaseRecord;
