import { ApplicationFailure } from '@temporalio/common';
import type { ContainedData } from '../domain/case-story';
import { verifyChain } from '../domain/custody/chain';
import type { CustodyEntry } from '../domain/custody/entry';
import type { InstanceFacts } from '../domain/instance-facts';
import type { FailureType } from '../workflows/contract/failures';
import type { CustodyLog } from './custody-log';
import type { ProtectionStep, ReleaseActivities } from './types';

const refuse = (message: string, type: FailureType): ApplicationFailure =>
  ApplicationFailure.nonRetryable(message, type);

/** How an instance was contained is told by the custody log alone: nobody can have something else restored than was there. */
export function createReleaseActivities({ custodyLog }: { custodyLog: Pick<CustodyLog, 'read'> }): ReleaseActivities {
  return {
    async readContainment({ caseId }) {
      const entries = await custodyLog.read(caseId);
      if (entries.length === 0)
        throw refuse(`there is no case ${caseId} in the case table: check the case id`, 'InvalidRequest');
      const verdict = verifyChain(entries, caseId);
      if (!verdict.holds)
        throw refuse(
          `the custody log of case ${caseId} does not hold at line ${verdict.line} (${verdict.problem}): release by hand, from the sealed bundle`,
          'CustodyForked',
        );
      const contained = lastData(entries, ({ kind }) => kind === 'contained');
      const triaged = lastData(entries, ({ kind, phase }) => kind === 'phase-ended' && phase === 'triage');
      const protection = lastData(entries, ({ kind, phase }) => kind === 'phase-ended' && phase === 'protection');
      if (!contained || !triaged)
        throw refuse(`case ${caseId} has contained nothing that could be released`, 'InvalidRequest');
      // Written by the case itself, and unchanged since: the chain holds.
      return {
        facts: triaged.facts as InstanceFacts,
        contained: contained as unknown as ContainedData,
        protections: (protection?.steps ?? []) as ProtectionStep[],
      };
    },
  };
}

const lastData = (
  entries: readonly CustodyEntry[],
  isMeant: (entry: CustodyEntry) => boolean,
): Record<string, unknown> | undefined => entries.filter(isMeant).at(-1)?.data;
