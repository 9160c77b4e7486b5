import { AwsClients } from './aws/clients';
import { createCaseRecordActivities } from './case-records';
import { createKeepingActivities } from './keeping';
import type { ForensicsConfig } from './config';
import { createLayerActivities } from './containment/layers';
import { CustodyLog } from './custody-log';
import { createExaminationActivities } from './examination';
import { createIdentityActivities } from './identity-proof';
import { createMeasurementActivities } from './isolation-measurement';
import { createMemoryActivities } from './memory';
import { createProtectionActivities } from './protection';
import { createReportActivities } from './report/report';
import { createSealingActivities } from './sealing/sealing';
import { createTriageActivities } from './triage';
import type { Activities } from './types';
import { createVolumeActivities } from './volumes';

/** Every step of a case, as a worker of one Region carries it out; all of them share one set of AWS clients. */
export function createActivities(
  config: ForensicsConfig,
  clients: AwsClients = new AwsClients(config),
  custodyLog: CustodyLog = new CustodyLog({ config, clients }),
): Activities {
  const dependencies = { config, clients, custodyLog };
  return {
    ...createTriageActivities(dependencies),
    ...createProtectionActivities(dependencies),
    ...createVolumeActivities(dependencies),
    ...createMemoryActivities(dependencies),
    ...createExaminationActivities(dependencies),
    ...createCaseRecordActivities(dependencies),
    ...createReportActivities(dependencies),
    ...createSealingActivities(dependencies),
    ...createKeepingActivities(dependencies),
    ...createIdentityActivities(dependencies),
    ...createLayerActivities(dependencies),
    ...createMeasurementActivities(dependencies),
  };
}
