import { ApplicationFailure } from '@temporalio/common';
import type { Exhibit } from '../domain/evidence';
import { MEMORY_PLUGINS } from '../domain/findings-memory-plugins';
import type { AwsClients } from './aws/clients';
import { operationOf } from './aws/idempotency';
import { failureCode, followCommand } from './command-following';
import { type DocumentParameters, sendCommandOnce } from './commands';
import type { ForensicsConfig } from './config';
import { noteAct } from './custody-acts';
import { createEvidenceStore } from './evidence-store';
import { createExaminationCollection } from './examination-collection';
import { createForensicInstanceActivities } from './examination-instance';
import { createEvidenceVolumeActivities } from './examination-volume';
import { EXAMINATION_REPORT, SUMMARY, TIMELINE } from './examination-summary';
import {
  FIRST_MANIFEST_SECONDS,
  MANIFEST_RENEWAL,
  type ManifestRenewal,
  presignGet,
  publishExaminationManifest,
  stagingPrefix,
} from './manifests';
import type { ExaminationActivities } from './types';

const OUTPUTS = {
  memory: [SUMMARY, ...MEMORY_PLUGINS.map((plugin) => `${plugin}.jsonl`)],
  disk: [SUMMARY, TIMELINE, 'storage.plaso'],
};

/** The document's code for an image of which not even the list of processes can be read. */
const UNREADABLE_IMAGE = 'unreadable-image';

/** Examines exhibits on forensic instances: one instance an exhibit, evidence read-only, results by pre-signed URLs. */
export function createExaminationActivities(dependencies: {
  config: ForensicsConfig;
  clients: AwsClients;
  renewal?: ManifestRenewal;
}): ExaminationActivities {
  const { config, clients, renewal = MANIFEST_RENEWAL } = dependencies;
  const s3 = () => clients.forensics().s3;

  const startExamination: ExaminationActivities['startExamination'] = async (input) => {
    const { caseId, exhibit, instance, volume, deadlineSeconds } = input;
    const bucket = config.buckets.staging;
    const prefix = stagingPrefix(caseId, exhibit.id, 'examination');
    const outputs = OUTPUTS[exhibit.kind];
    const command = await sendCommandOnce({
      clients: clients.forensics(),
      operation: operationOf(caseId, 'examine', exhibit.id),
      instanceId: instance.instanceId,
      document: config.documents[exhibit.kind === 'memory' ? 'examineMemory' : 'examineDisk'],
      documentNamedBy: 'name',
      deadlineSeconds,
      parameters: async () => {
        const inputs = inputsOf(exhibit);
        const manifest = await publishExaminationManifest(
          s3(),
          'first',
          { caseId, bucket, prefix, outputs, inputs },
          renewal,
        );
        const ManifestUrl = await presignGet(s3(), { bucket, key: manifest.key }, FIRST_MANIFEST_SECONDS);
        return { ManifestUrl, CaseId: caseId, ExhibitId: exhibit.id, ...ownParameters(exhibit, volume?.volumeId) };
      },
    });
    noteAct({
      message: `Document ${command.document.name} (version ${command.document.version}) examines exhibit ${exhibit.id} on forensic instance ${instance.instanceId}`,
      exhibit: { id: exhibit.id, kind: exhibit.kind, source: exhibit.source },
      document: command.document,
      data: { commandId: command.commandId, instanceId: instance.instanceId },
    });
    return { ...command, staging: { bucket, prefix }, outputs };
  };

  const awaitExamination: ExaminationActivities['awaitExamination'] = async ({ caseId, examination }) => {
    const { bucket, prefix } = examination.staging;
    const { outputs } = examination;
    const startedAt = Date.parse(examination.startedAt);
    // An examination outlasts its URLs. An attempt that takes over renews them at once when the first ones are old.
    let writtenAt = startedAt;
    await followCommand({
      ssm: clients.forensics().ssm,
      command: examination,
      result: EXAMINATION_REPORT,
      progress: async () => {
        if (Date.now() - writtenAt >= renewal.everyMs) {
          await publishExaminationManifest(s3(), 'renewed', { caseId, bucket, prefix, outputs }, renewal);
          writtenAt = Date.now();
        }
        return { runningSeconds: Math.max(0, Math.round((Date.now() - startedAt) / 1000)) };
      },
    }).catch((error: unknown) => {
      throw failureCode(error) === UNREADABLE_IMAGE
        ? ApplicationFailure.nonRetryable((error as ApplicationFailure).message, 'ImageUnreadable')
        : error;
    });
  };

  const { collectExamination } = createExaminationCollection({
    config,
    clients,
    store: createEvidenceStore(dependencies),
  });
  return {
    ...createForensicInstanceActivities(dependencies),
    ...createEvidenceVolumeActivities(dependencies),
    startExamination,
    awaitExamination,
    collectExamination,
  };
}

function inputsOf(exhibit: Exhibit) {
  if (!('s3' in exhibit.location)) return [];
  const { sha256, sizeBytes, location } = exhibit;
  return [{ name: 'memory.lime', sha256, sizeBytes, location: location.s3 }];
}

function ownParameters(exhibit: Exhibit, volumeId: string | undefined): Partial<DocumentParameters> {
  if (exhibit.kind === 'memory') return { Plugins: MEMORY_PLUGINS.join(',') };
  if (volumeId !== undefined) return { VolumeId: volumeId };
  throw ApplicationFailure.nonRetryable(
    `exhibit ${exhibit.id} is a disk: it is examined from a volume, and none was given`,
    'InvalidRequest',
  );
}
