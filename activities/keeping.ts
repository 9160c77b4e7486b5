import { createCaseTellingActivities } from './case-telling';
import { createEvidenceAuditActivities } from './evidence-audit';
import { createEvidenceThreatActivities } from './evidence-threat';
import type { AwsClients } from './aws/clients';
import type { ForensicsConfig } from './config';
import type { CustodyLog } from './custody-log';
import { createLegalHoldActivities } from './legal-hold';
import { createProtectionUndoActivities } from './protection-undo';
import { createPurgeActivities } from './purge';
import { createReleaseActivities } from './release';
import type { KeepingActivities } from './types';

/** Steps for evidence and instances of cases that may be closed for long. */
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
    ...createReleaseActivities(parts),
    ...createProtectionUndoActivities(parts),
  };
}
