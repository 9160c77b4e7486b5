import { workflowInfo } from '@temporalio/workflow';
import type { CaseEventDraft } from '../domain/case-event';
import { sentence } from '../domain/case-limits';
import type { CustodyDraft } from '../domain/custody/entry';
import { keepingStep } from './keeping-steps';

/** Characters of a message: as in the events of a case. */
const LONGEST_MESSAGE = 4_000;
/** Entries that are written in one step. */
const AT_ONCE = 20;
const BY_ITSELF: CustodyDraft['actor'] = { name: 'ec2-forensics', knownBy: 'service' };

/** Tells one case what a workflow of another kind does to its evidence, in order and each thing once. */
export class CaseTelling {
  private count = 0;
  private waiting: CustodyDraft[] = [];
  private writing: Promise<void> = Promise.resolve();

  constructor(private readonly caseId: string) {}

  /** Written beside the workflow's work; `allTold` waits for it. */
  readonly tell = (event: CaseEventDraft): void => {
    this.count += 1;
    const { runId } = workflowInfo();
    const at = new Date(Date.now()).toISOString();
    const message = sentence(event.message, LONGEST_MESSAGE);
    this.waiting.push({ actor: BY_ITSELF, ...event, message, at, entryId: `${runId}/told-${this.count}` });
    this.writing = this.writing.then(() => this.write());
    // It is heard by whoever awaits `allTold`.
    this.writing.catch(() => undefined);
  };

  /** @throws what the writing failed with: that something was done to evidence must not stay untold */
  async allTold(): Promise<void> {
    await this.writing;
  }

  private async write(): Promise<void> {
    const entries = this.waiting.splice(0, AT_ONCE);
    if (entries.length === 0) return;
    const kinds = entries.map(({ kind }) => kind).join(', ');
    await keepingStep(`Tell case ${this.caseId}: ${kinds}`).tellCase({ caseId: this.caseId, entries });
    await this.write();
  }
}
