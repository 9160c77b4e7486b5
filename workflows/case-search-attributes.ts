import { upsertSearchAttributes } from '@temporalio/workflow';
import type { CaseRecord } from '../domain/outcome';
import { searchAttributes } from './contract/search-attributes';

type Name = keyof typeof searchAttributes;

/** Keeps what responders filter by in step with the case; only what changed is sent, since each change is history. */
export class CaseSearchAttributes {
  private published: Partial<Record<Name, string | null>> = {};

  publish(head: CaseRecord, awaiting: string | undefined): void {
    const wanted: Record<Name, string | null> = {
      CaseId: head.caseId,
      CaseStatus: head.status,
      CasePhase: head.phase,
      CaseSeverity: head.severity,
      CaseAccount: head.target.accountId,
      CaseRegion: head.target.region,
      CaseInstance: head.target.instanceId,
      AwaitingApproval: awaiting ?? null,
    };
    const changed = (Object.keys(wanted) as Name[]).filter((name) => (this.published[name] ?? null) !== wanted[name]);
    if (changed.length === 0) return;
    upsertSearchAttributes(changed.map((name) => ({ key: searchAttributes[name], value: wanted[name] })));
    this.published = wanted;
  }
}
