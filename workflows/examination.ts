import type { EvidenceVolume, ForensicInstance, StartedExamination } from '../activities/types';
import type { Exhibit } from '../domain/evidence';
import type { ExaminationResult } from '../domain/examination';
import { follow, mutation, poll, stageClock } from './activity-options';
import { together, withEarlyCleanUp, type Finished } from './clean-up';

export interface ExaminationInput {
  caseId: string;
  region: string;
  exhibit: Exhibit;
  /** Time for the forensic instance, the tools and the results together. */
  deadlineSeconds: number;
  retentionDays: number;
}

/**
 * Examines one exhibit on a forensic instance of its own, which is ended whatever happens. A disk is attached
 * as a volume made from the forensic copy; a memory image is fetched by the document itself.
 */
export async function examination(input: ExaminationInput): Promise<Finished<ExaminationResult>> {
  const { caseId, region, exhibit, retentionDays } = input;
  const the = { caseId, region };
  const secondsLeft = stageClock(input.deadlineSeconds);

  const ready = (instance: ForensicInstance): Promise<void> =>
    poll(`Wait until ${instance.instanceId} is ready`, secondsLeft()).awaitForensicInstance({ ...the, instance });
  const attachedDisk = async (instance: ForensicInstance): Promise<EvidenceVolume> => {
    const [volume] = await together(
      mutation(`Create a volume from ${exhibit.id}`).createEvidenceVolume({ ...the, exhibit, instance }),
      ready(instance),
    );
    await mutation(`Attach ${volume.volumeId} read-only`).attachEvidenceVolume({ ...the, instance, volume });
    return volume;
  };

  const release = {
    ifItFails: `the forensic instance for ${exhibit.id} and its working volume may still exist: end them by hand`,
    run: () => mutation('End the forensic instance').releaseForensicInstance({ ...the, exhibitId: exhibit.id }),
  };
  const examined = async (): Promise<StartedExamination> => {
    const instance = await mutation(`Launch a forensic instance for ${exhibit.id}`).launchForensicInstance({
      ...the,
      exhibit,
    });
    const volume = exhibit.kind === 'disk' ? await attachedDisk(instance) : undefined;
    if (!volume) await ready(instance);

    const running = await mutation(`Start the examination of ${exhibit.id}`).startExamination({
      ...the,
      exhibit,
      instance,
      ...(volume && { volume }),
      deadlineSeconds: secondsLeft(),
    });
    await follow(`Follow the examination of ${exhibit.id}`, secondsLeft()).awaitExamination({
      ...the,
      examination: running,
    });
    return running;
  };
  // The results lie in staging by then: the instance, which costs money and holds evidence, need not wait for them.
  return withEarlyCleanUp(release, examined, (examination) =>
    follow(`Verify and keep the results of ${exhibit.id}`, secondsLeft()).collectExamination({
      ...the,
      exhibit,
      examination,
      retentionDays,
    }),
  );
}
