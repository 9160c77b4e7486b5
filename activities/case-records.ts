import { TransactionCanceledException } from '@aws-sdk/client-dynamodb';
import { PublishCommand } from '@aws-sdk/client-sns';
import { GetCommand, PutCommand, TransactWriteCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { ApplicationFailure } from '@temporalio/common';
import type { CustodyEntry } from '../domain/custody/entry';
import type { CaseRecord } from '../domain/outcome';
import type { AccountClients, AwsClients } from './aws/clients';
import { awsStep, currentActivity, worthAnotherAttempt } from './aws/errors';
import { accountKeys, type CaseEventItem, type CaseHeadItem, eventKeys, headKeys } from './case-table';
import type { ForensicsConfig } from './config';
import { notificationOf } from './notification';
import type { RecordActivities } from './types';

export { caseTableDefinition } from './case-table';

export type CaseRecordActivities = Pick<RecordActivities, 'recordEvent'>;

/** An item is written once; a later attempt finds it and leaves it. */
const NOT_WRITTEN_YET = 'attribute_not_exists(PK)';

/** The case's memory outside of Temporal: its events, its head, and the people who must know. */
export function createCaseRecordActivities({
  config,
  clients,
}: {
  config: ForensicsConfig;
  clients: AwsClients;
}): CaseRecordActivities {
  return {
    async recordEvent({ record, event }) {
      const forensics = clients.forensics();
      await write(forensics, config.caseTable, record, event);
      if (event.notify) await notify(forensics, config, record, event);
    },
  };
}

/**
 * Event and head in one transaction. The event is immutable; the head only moves forward, so that a late attempt of an
 * earlier event does not turn it back.
 */
async function write(
  { dynamo }: AccountClients,
  TableName: string,
  record: CaseRecord,
  event: CustodyEntry,
): Promise<void> {
  const headItem: CaseHeadItem = { ...record, lastSequence: event.sequence };
  const putEvent = {
    TableName,
    Item: { ...eventKeys(record.caseId, event.sequence), entity: 'event', ...(event satisfies CaseEventItem) },
    ConditionExpression: NOT_WRITTEN_YET,
  };
  const putHead = {
    TableName,
    Item: { ...headKeys(record.caseId), ...accountKeys(record), entity: 'case', ...headItem },
    ConditionExpression: `${NOT_WRITTEN_YET} OR lastSequence < :sequence`,
    ExpressionAttributeValues: { ':sequence': event.sequence },
  };
  await awsStep(`recording event ${event.sequence} (${event.kind}) of case ${record.caseId}`, async (options) => {
    try {
      await dynamo.send(new TransactWriteCommand({ TransactItems: [{ Put: putEvent }, { Put: putHead }] }), options);
    } catch (error) {
      const [eventRefused, headRefused] = refusedConditions(error);
      if (eventRefused) {
        await checkSame(dynamo, TableName, event); // an earlier attempt wrote both
        return;
      }
      if (!headRefused) throw error;
      // A later event is recorded already: this one is added and the head stays.
      await dynamo.send(new PutCommand(putEvent), options);
    }
  });
}

/**
 * The entry that stands under this number must be this one: two writers that both went on from the same entry would make
 * two logs out of one.
 */
async function checkSame(dynamo: AccountClients['dynamo'], TableName: string, event: CustodyEntry): Promise<void> {
  const { Item: found } = await dynamo.send(
    new GetCommand({ TableName, Key: eventKeys(event.caseId, event.sequence), ConsistentRead: true }),
  );
  if (found?.hash === event.hash) return;
  throw ApplicationFailure.nonRetryable(
    `entry ${event.sequence} of the custody log of case ${event.caseId} is another one already (${String(found?.hash)}, ` +
      `not ${event.hash}): nothing was written over it. Find out who else writes to the table`,
    'CustodyForked',
  );
}

/** Which of the transaction's items failed its condition; throws when it was cancelled for anything else. */
function refusedConditions(error: unknown): boolean[] {
  if (!(error instanceof TransactionCanceledException)) throw error;
  const codes = (error.CancellationReasons ?? []).map(({ Code }) => Code ?? 'None');
  const other = codes.find((code) => code !== 'None' && code !== 'ConditionalCheckFailed');
  if (other !== undefined || codes.length === 0) throw Object.assign(error, { code: other ?? error.name });
  return codes.map((code) => code === 'ConditionalCheckFailed');
}

/**
 * Tells people, at least once: a lost answer means a second message rather than none. SNS delivers on its own, so a
 * broken subscriber is never seen here. If the topic itself refuses, the case goes on and the event says so.
 */
async function notify(
  forensics: AccountClients,
  { topicArn, caseTable }: ForensicsConfig,
  record: CaseRecord,
  event: CustodyEntry,
): Promise<void> {
  const what = `notifying ${topicArn} of event ${event.sequence} of case ${record.caseId}`;
  try {
    await awsStep(what, (options) =>
      forensics.sns.send(new PublishCommand({ TopicArn: topicArn, ...notificationOf(record, event) }), options),
    );
  } catch (error) {
    if (!(error instanceof ApplicationFailure) || worthAnotherAttempt(error)) throw error;
    currentActivity()?.log.error('People could not be notified', { caseId: record.caseId, reason: error.message });
    await awsStep(`noting that ${what} failed`, (options) =>
      forensics.dynamo.send(
        new UpdateCommand({
          TableName: caseTable,
          Key: eventKeys(record.caseId, event.sequence),
          UpdateExpression: 'SET notificationFailure = :reason',
          ExpressionAttributeValues: { ':reason': error.message },
        }),
        options,
      ),
    );
  }
}
