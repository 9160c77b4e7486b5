import { PublishCommand } from '@aws-sdk/client-sns';
import { ApplicationFailure } from '@temporalio/common';
import type { AwsClients } from './aws/clients';
import { awsStep } from './aws/errors';
import { readCaseRecord } from './case-evidence';
import { notify } from './case-records';
import type { ForensicsConfig } from './config';
import type { CustodyLog } from './custody-log';
import type { KeepingActivities } from './types';

/** SNS's longest subject, ASCII. Source: SNS API Reference, Publish. */
const SUBJECT = 'EVIDENCE ALERT: the custody log of a case cannot be written';

/** Tells a case, closed or not, of what is done to its evidence or threatens it. */
export function createCaseTellingActivities(parts: {
  config: ForensicsConfig;
  clients: AwsClients;
  custodyLog: CustodyLog;
}): Pick<KeepingActivities, 'tellCase'> {
  const { config, clients, custodyLog } = parts;
  return {
    async tellCase({ caseId, entries: drafts }) {
      const forensics = clients.forensics();
      const record = await readCaseRecord(forensics, config.caseTable, caseId);
      let entries;
      try {
        entries = await custodyLog.append(caseId, drafts);
      } catch (error) {
        // The log itself was meddled with. People hear it all the same, and of what was to be written.
        if (!(error instanceof ApplicationFailure) || error.type !== 'CustodyForked') throw error;
        const Message = [error.message, '', ...drafts.map(({ message }) => message)].join('\n');
        await awsStep(`notifying ${config.topicArn} that the log of case ${caseId} cannot be written`, (options) =>
          forensics.sns.send(new PublishCommand({ TopicArn: config.topicArn, Subject: SUBJECT, Message }), options),
        );
        throw error;
      }
      for (const entry of entries) if (entry.notify) await notify(parts, record, entry);
      const last = entries.at(-1);
      return { sequence: last?.sequence ?? 0, hash: last?.hash ?? '' };
    },
  };
}
