import type { AwsClients } from '../aws/clients';
import type { ForensicsConfig } from '../config';
import { noteAct } from '../custody-acts';
import { createEvidenceStore } from '../evidence-store';
import type { RecordActivities } from '../types';
import { renderReport } from './render-report';

export type ReportActivities = Pick<RecordActivities, 'writeReport'>;

export function createReportActivities(dependencies: {
  config: ForensicsConfig;
  clients: AwsClients;
}): ReportActivities {
  const store = createEvidenceStore(dependencies);
  return {
    async writeReport({ request, facts, plan, outcome, retentionDays }) {
      const folder = `cases/${outcome.caseId}`;
      await store.putEvidence({
        key: `${folder}/outcome.json`,
        body: Buffer.from(JSON.stringify({ request, facts, plan, outcome }, null, 2)),
        contentType: 'application/json',
        retentionDays,
      });
      const report = await store.putEvidence({
        key: `${folder}/report.html`,
        body: Buffer.from(renderReport({ request, facts, plan, outcome })),
        contentType: 'text/html; charset=utf-8',
        retentionDays,
      });
      const { bucket, key, versionId, sha256, sizeBytes } = report;
      noteAct({
        message: `The report of the case was written and is kept write-once as s3://${bucket}/${key} (version ${versionId}), with the outcome beside it`,
        sha256,
        data: { location: { bucket, key, versionId }, sizeBytes },
      });
      return report;
    },
  };
}
