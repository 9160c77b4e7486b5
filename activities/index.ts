import { AwsClients } from './aws/clients';
import { createCaseRecordActivities } from './case-records';
import type { ForensicsConfig } from './config';
import { createContainmentActivities } from './containment';
import { createExaminationActivities } from './examination';
import { createMemoryActivities } from './memory';
import { createProtectionActivities } from './protection';
import { createReportActivities } from './report/report';
import { createTriageActivities } from './triage';
import type { Activities } from './types';
import { createVolumeActivities } from './volumes';

/** Every step of a case, as a worker of one Region carries it out; all of them share one set of AWS clients. */
export function createActivities(config: ForensicsConfig, clients: AwsClients = new AwsClients(config)): Activities {
  const dependencies = { config, clients };
  return {
    ...createTriageActivities(dependencies),
    ...createProtectionActivities(dependencies),
    ...createVolumeActivities(dependencies),
    ...createMemoryActivities(dependencies),
    ...createContainmentActivities(dependencies),
    ...createExaminationActivities(dependencies),
    ...createCaseRecordActivities(dependencies),
    ...createReportActivities(dependencies),
  };
}
