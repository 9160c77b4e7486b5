import type { ToolRun } from '../domain/examination';
import { TimelineRules } from '../domain/findings-from-timeline';
import { JsonLines } from './examination-lines';
import { type SummaryToolRun, TIMELINE } from './examination-summary';

/** Rows of one plugin that the rules are given; no instance has so many processes or sockets. */
const MOST_ROWS = 200_000;

/** What came of an examination's outputs so far. */
export interface Collected {
  tools: ToolRun[];
  /** Rows by plugin, for the rules. */
  rows: Record<string, unknown[]>;
  timeline?: TimelineRules;
  timelineAt?: NonNullable<ToolRun['output']>;
  problems: string[];
}

/** Takes an output's bytes as they pass by. */
export interface OutputReader {
  /** The bytes are gzip's: they are to be unpacked first. */
  compressed: boolean;
  update: (chunk: Buffer) => void;
  /** Called when all was read: what should be noted with the tool. */
  finish: () => string[];
}

/** How an output is read by the rules; undefined for one that is only kept. */
export function readerOf(
  name: string,
  run: SummaryToolRun,
  exhibitId: string,
  to: Collected,
): OutputReader | undefined {
  if (name === TIMELINE) {
    const rules = (to.timeline = new TimelineRules(exhibitId));
    return jsonReader(true, (value) => rules.add(value), run, to);
  }
  if (!name.endsWith('.jsonl')) return undefined;
  const rows: unknown[] = (to.rows[name.slice(0, -'.jsonl'.length)] = []);
  let over = 0;
  const reader = jsonReader(false, (value) => (rows.length < MOST_ROWS ? rows.push(value) : (over += 1)), run, to);
  return {
    ...reader,
    finish: () => {
      const notes = reader.finish();
      if (over > 0) notes.push(`${over} rows beyond the first ${MOST_ROWS} were kept and not judged`);
      return notes;
    },
  };
}

function jsonReader(
  compressed: boolean,
  take: (value: unknown) => unknown,
  run: SummaryToolRun,
  to: Collected,
): OutputReader {
  const lines = new JsonLines(take);
  return {
    compressed,
    update: (chunk) => lines.update(chunk),
    finish: () => {
      lines.finish();
      if (lines.bad === 0) return [];
      const note = `${lines.bad} lines of ${run.tool} were no JSON or too long, and were not judged`;
      to.problems.push(note);
      return [note];
    },
  };
}

/** What an output is in the evidence bucket, by its name. */
export const contentTypeOf = (name: string): string =>
  name.endsWith('.jsonl')
    ? 'application/x-ndjson'
    : name.endsWith('.gz')
      ? 'application/gzip'
      : 'application/octet-stream';
