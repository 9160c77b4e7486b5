import { createCaseTellingActivities } from './case-telling';
import { createEvidenceAuditActivities } from './evidence-audit';
import { createEvidenceThreatActivities } from './evidence-threat';
import type { AwsClients } from './aws/clients';
import type { ForensicsConfig } from './config';
import type { CustodyLog } from './custody-log';
import { createLegalHoldActivities } from './legal-hold';
import { createPurgeActivities } from './purge';
import type { KeepingActivities } from './types';

/** Steps for evidence of cases that may be closed for long. */
export function createKeepingActivities(parts: {
  config: ForensicsConfig;
  clients: AwsClients;
  custodyLog: CustodyLog;
}): KeepingActivities {
  return {
    ...createCaseTellingActivities(parts),
    ...createEvidenceAuditActivities(parts),
    ...createLegalHoldActivities(parts),
    ...createPurgeActivities(parts),
    ...createEvidenceThreatActivities(parts),
  };
}
