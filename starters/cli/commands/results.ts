import path from 'node:path';
import readline from 'node:readline';
import { createGunzip } from 'node:zlib';
import type { Command } from 'commander';
import type { TimelineEvent } from '../../../domain/examination';
import { timelineEventOf } from '../../../domain/timeline';
import type { CaseOutcome } from '../../../domain/outcome';
import type { CaseView } from '../../../workflows/contract/messages';
import { caseView, findCase } from '../case-lookup';
import { answer, wantsJson, withClient } from '../context';
import { fetchEvidence, openEvidenceObject } from '../evidence-objects';
import { print, UsageError } from '../output';
import { caseCommand, readCase } from './inspect';

export function addResultCommands(program: Command): void {
  caseCommand(program, 'report', 'fetch the report of a closed case and check its digest')
    .option('--out <file>', 'where to put it', '')
    .action(async (reference: string, options: { out: string }, command: Command) => {
      const { caseId, report } = await closedCase(reference);
      if (!report) throw new UsageError(`case ${caseId} closed without a report; "show ${caseId}" says why`);
      const file = path.resolve(options.out || `${caseId}.html`);
      await fetchEvidence(report, file);
      const told = { caseId, file, sha256: report.sha256, source: report };
      answer(command, told, () => print(`${file}\nSHA-256 ${report.sha256} as recorded by the case`));
    });

  caseCommand(program, 'timeline', 'print the events that the examination of the disks found, in order of time')
    .option('--exhibit <id>', 'of this disk only')
    .option('--from <time>', 'ISO 8601; events from here on')
    .option('--to <time>', 'ISO 8601; events before')
    .option('--grep <text>', 'events whose message holds this text, in any case')
    .option('--limit <count>', 'at most so many', '1000')
    .action(async (reference: string, options: TimelineOptions, command: Command) => {
      const view = await readCase(reference);
      const events = await timelineOf(view, options);
      answer(command, events, () => {
        for (const event of events) print(`${event.time}  ${event.exhibit}  ${event.source}  ${event.message}`);
        if (events.length === 0) print('no events match');
      });
      if (events.length === Number(options.limit) && !wantsJson(command)) {
        process.stderr.write(`cut at ${options.limit} events: narrow it with --from, --to, --grep, or raise --limit\n`);
      }
    });
}

interface TimelineOptions {
  exhibit?: string;
  from?: string;
  to?: string;
  grep?: string;
  limit: string;
}

/** @throws UsageError when the case is not closed yet */
export async function closedCase(reference: string): Promise<CaseOutcome> {
  return withClient(async (client) => {
    const handle = await findCase(client, reference);
    const description = await handle.describe();
    if (description.status.name === 'RUNNING') {
      const view = await caseView(client, handle);
      throw new UsageError(
        `case ${view.caseId} is not closed (phase ${view.phase}): report and seal come with the close`,
      );
    }
    return (await handle.result()) as CaseOutcome;
  });
}

/** Reads the timelines of the chosen disks and merges them; each file is in order of time already. */
async function timelineOf(view: CaseView, options: TimelineOptions): Promise<TimelineEvent[]> {
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1)
    throw new UsageError(`--limit ${options.limit}: give a whole number from 1`);
  const from = timeOption('--from', options.from);
  const to = timeOption('--to', options.to);
  const wanted = options.grep?.toLowerCase();
  const timelines = view.examinations.filter(
    (one) => one.timeline && (!options.exhibit || one.exhibit === options.exhibit),
  );
  if (timelines.length === 0)
    throw new UsageError(`case ${view.caseId} has no timeline${options.exhibit ? ` of ${options.exhibit}` : ''} yet`);
  const events: TimelineEvent[] = [];
  for (const { exhibit, timeline } of timelines) {
    if (!timeline) continue;
    let kept = 0;
    const lines = readline.createInterface({ input: (await openEvidenceObject(timeline)).pipe(createGunzip()) });
    for await (const line of lines) {
      const event = timelineEventOf(line, exhibit);
      if (!event || (from && event.time < from) || (to && event.time >= to)) continue;
      if (wanted && !event.message.toLowerCase().includes(wanted)) continue;
      events.push(event);
      kept += 1;
      if (kept === limit) break;
    }
    lines.close();
  }
  return events.sort((a, b) => a.time.localeCompare(b.time)).slice(0, limit);
}

function timeOption(name: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const time = new Date(value);
  if (Number.isNaN(time.getTime()))
    throw new UsageError(`${name} ${value} is no time: give ISO 8601, e.g. 2026-02-17T02:00:00Z`);
  return time.toISOString();
}
