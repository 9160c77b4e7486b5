import type { CreateTableCommandInput } from '@aws-sdk/client-dynamodb';
import type { CustodyEntry } from '../domain/custody/entry';
import type { CaseRecord } from '../domain/outcome';

/** Index of the cases of an account, by Region, instance and time. */
export const CASES_BY_ACCOUNT = 'GSI1';

/** Keys of the case's head: one item a case. */
export function headKeys(caseId: string): { PK: string; SK: string } {
  return { PK: `CASE#${caseId}`, SK: 'CASE' };
}

/** Keys of the item that says where the case's custody log ends. */
export function logEndKeys(caseId: string): { PK: string; SK: string } {
  return { PK: `CASE#${caseId}`, SK: 'CUSTODY' };
}

/** Keys of the item that says under which number an entry was written: by it nothing is written twice. */
export function writtenKeys(caseId: string, entryId: string): { PK: string; SK: string } {
  return { PK: `CASE#${caseId}`, SK: `WRITTEN#${entryId}` };
}

/** Sort keys of all events of a case begin so. */
export const EVENT_PREFIX = 'EVENT#';

/** Keys of an event: six digits, so that events sort by number as text. */
export function eventKeys(caseId: string, sequence: number): { PK: string; SK: string } {
  return { PK: `CASE#${caseId}`, SK: `${EVENT_PREFIX}${String(sequence).padStart(6, '0')}` };
}

export function accountKeys({ target, openedAt }: CaseRecord): { GSI1PK: string; GSI1SK: string } {
  return {
    GSI1PK: `ACCOUNT#${target.accountId}`,
    GSI1SK: `${target.region}#${target.instanceId}#${openedAt}`,
  };
}

/** A case's head as it stands in the table; `lastEvent` is the number of the last event that the case itself has told. */
export type CaseHeadItem = CaseRecord & { lastEvent: number };
/** An event as it stands in the table. */
export type CaseEventItem = CustodyEntry;

/** The case table, for set-up. Cannot be deleted by accident, since it is the record of what was done. */
export function caseTableDefinition(name: string): CreateTableCommandInput {
  return {
    TableName: name,
    BillingMode: 'PAY_PER_REQUEST',
    DeletionProtectionEnabled: true,
    AttributeDefinitions: ['PK', 'SK', 'GSI1PK', 'GSI1SK'].map((AttributeName) => ({
      AttributeName,
      AttributeType: 'S',
    })),
    KeySchema: [
      { AttributeName: 'PK', KeyType: 'HASH' },
      { AttributeName: 'SK', KeyType: 'RANGE' },
    ],
    GlobalSecondaryIndexes: [
      {
        IndexName: CASES_BY_ACCOUNT,
        KeySchema: [
          { AttributeName: 'GSI1PK', KeyType: 'HASH' },
          { AttributeName: 'GSI1SK', KeyType: 'RANGE' },
        ],
        Projection: { ProjectionType: 'ALL' },
      },
    ],
  };
}
