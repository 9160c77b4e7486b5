import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { PublishCommand } from '@aws-sdk/client-sns';
import { PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { ApplicationFailure } from '@temporalio/common';
import type { CustodyEntry } from '../domain/custody/entry';
import type { CaseRecord } from '../domain/outcome';
import type { AwsClients } from './aws/clients';
import { awsStep, currentActivity, worthAnotherAttempt } from './aws/errors';
import { accountKeys, type CaseHeadItem, eventKeys, headKeys } from './case-table';
import type { ForensicsConfig } from './config';
import type { CustodyLog } from './custody-log';
import { notificationOf } from './notification';
import type { RecordActivities } from './types';

export { caseTableDefinition } from './case-table';

export type CaseRecordActivities = Pick<RecordActivities, 'recordEvents'>;

interface Parts {
  config: ForensicsConfig;
  clients: AwsClients;
  custodyLog: CustodyLog;
}

/** The case's memory outside of Temporal: its events, its head, and the people who must know. */
export function createCaseRecordActivities(parts: Parts): CaseRecordActivities {
  return {
    async recordEvents({ record, lastEvent, events }) {
      const entries = await parts.custodyLog.append(record.caseId, events);
      await writeHead(parts, { ...record, lastEvent });
      for (const entry of entries) if (entry.notify) await notify(parts, record, entry);
    },
  };
}

/** The head only moves forward, so that a late attempt of earlier events does not turn it back. */
async function writeHead({ config, clients }: Parts, head: CaseHeadItem): Promise<void> {
  const put = new PutCommand({
    TableName: config.caseTable,
    Item: { ...headKeys(head.caseId), ...accountKeys(head), entity: 'case', ...head },
    ConditionExpression: 'attribute_not_exists(PK) OR lastEvent <= :lastEvent',
    ExpressionAttributeValues: { ':lastEvent': head.lastEvent },
  });
  await awsStep(`writing the head of case ${head.caseId}`, async (options) => {
    try {
      await clients.forensics().dynamo.send(put, options);
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
    }
  });
}

/**
 * Tells people, at least once: a lost answer means a second message rather than none. SNS delivers on its own, so a
 * broken subscriber is never seen here. If the topic itself refuses, the case goes on and the event says so.
 */
export async function notify(
  { config: { topicArn, caseTable }, clients }: Pick<Parts, 'config' | 'clients'>,
  record: CaseRecord,
  event: CustodyEntry,
): Promise<void> {
  const forensics = clients.forensics();
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
