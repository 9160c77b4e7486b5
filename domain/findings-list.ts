import type { ExaminationFinding } from './examination';
import { SEVERITIES } from './finding';

/** More findings of one rule say nothing new, and an attacker can make any number of log lines. */
const MOST_PER_RULE = 100;

export type NewFinding = Omit<ExaminationFinding, 'id' | 'evidence'> & { tool: string; record: string };

/** Gathers an exhibit's findings and gives each one its id. */
export class FindingList {
  private readonly found: ExaminationFinding[] = [];
  private readonly counts = new Map<string, number>();

  constructor(private readonly exhibit: string) {}

  add(rule: string, { tool, record, ...finding }: NewFinding): void {
    const number = (this.counts.get(rule) ?? 0) + 1;
    this.counts.set(rule, number);
    if (number > MOST_PER_RULE) return;
    this.found.push({
      id: `${this.exhibit}-${rule}-${number}`,
      ...finding,
      evidence: { exhibit: this.exhibit, tool, record },
    });
  }

  /** The gravest first; those of one severity in order of time, then as they were found. */
  gravestFirst(): ExaminationFinding[] {
    const rank = (finding: ExaminationFinding) => SEVERITIES.indexOf(finding.severity);
    return [...this.found].sort((a, b) => rank(b) - rank(a) || (a.time ?? '9999').localeCompare(b.time ?? '9999'));
  }
}

/** What an exhibit says, fit for a sentence: control characters out, at most `length` characters. */
export function quoted(text: string, length = 160): string {
  const clean = text.replace(/\p{C}+/gu, ' ').trim();
  return clean.length > length ? `${clean.slice(0, length)}…` : clean;
}
