import type { ExaminationFinding } from './examination';
import { downloadTarget, madeExecutable, suspicionsOf } from './findings-commands';
import { FileRules } from './findings-files';
import { FindingList, quoted } from './findings-list';
import { LoginRules } from './findings-logins';
import { isHidden, isTemporary, pathsIn } from './findings-paths';
import { isoTime, plasoEvent, type PlasoEvent } from './findings-timeline-event';

/** Times kept for judging what happened around them. */
const MOST_SUSPICIONS = 1_000;
/** Distinct commands and downloads remembered. */
const MOST_COMMANDS = 50_000;

/** The command of an audit EXECVE record, from its arguments a0, a1, ... */
function executed(message: string): string {
  return [...message.matchAll(/\ba\d+="([^"]*)"/g)].map((match) => match[1] ?? '').join(' ');
}

/**
 * Findings out of a plaso timeline (`psort -o json_line`), fed line by line in its order: `add` each parsed line, then
 * take `findings`. Memory stays bounded whatever the timeline's length. A finding's record is `line <n>`.
 */
export class TimelineRules {
  /** Lines that were fed, whether or not they were events. */
  events = 0;
  private readonly found: FindingList;
  private readonly logins: LoginRules;
  private readonly files: FileRules;
  private readonly suspicious: number[] = [];
  private readonly commands = new Set<string>();
  private readonly downloads = new Set<string>();
  private readonly scheduled = new Map<string, { line: number; timestamp: number; runs: Set<number>; user: string }>();
  private finished: ExaminationFinding[] | undefined;

  constructor(exhibit: string) {
    this.found = new FindingList(exhibit);
    this.logins = new LoginRules(this.found, (timestamp) => this.suspect(timestamp));
    this.files = new FileRules(this.found);
  }

  add(value: unknown): void {
    this.events++;
    const event = plasoEvent(value, this.events);
    if (!event) return;
    this.logins.add(event);
    this.files.add(event);
    if (/:history:(entry|command)$/.test(event.type)) this.addCommand(event, event.message, 'A shell');
    else if (event.type === 'selinux:line' && event.record.audit_type === 'EXECVE')
      this.addCommand(event, executed(event.message), 'A process');
    else if (event.type === 'syslog:cron:task_run') this.addScheduledRun(event);
  }

  /** All findings so far, the gravest first; nothing can be added after. */
  findings(): ExaminationFinding[] {
    if (!this.finished) {
      this.finishScheduledRuns();
      this.logins.finish();
      this.files.finish(this.suspicious);
      this.finished = this.found.gravestFirst();
    }
    return this.finished;
  }

  private suspect(timestamp: number): void {
    if (timestamp > 0 && this.suspicious.length < MOST_SUSPICIONS) this.suspicious.push(timestamp);
  }

  private addCommand(event: PlasoEvent, command: string, who: string): void {
    const key = `${Math.floor(event.timestamp / 1_000_000)} ${command}`;
    if (command === '' || this.commands.has(key) || this.commands.size >= MOST_COMMANDS) return;
    this.commands.add(key);
    const shared = { ...isoTime(event.timestamp), tool: 'plaso', record: `line ${event.line}` };
    const detail = `Command: ${quoted(command)} (${quoted(event.file)})`;
    for (const { rule, severity, category, deed } of suspicionsOf(command)) {
      this.found.add(rule, { severity, category, title: `${who} ${quoted(deed)}.`, detail, ...shared });
      if (severity === 'high' || severity === 'critical') this.suspect(event.timestamp);
    }
    const target = downloadTarget(command);
    if (target !== undefined) this.downloads.add(target);
    const executable = madeExecutable(command);
    if (executable !== undefined && this.downloads.has(executable)) {
      const title = `${who} downloaded ${quoted(executable)} and then made it executable.`;
      this.found.add('shell-download-then-execute', { severity: 'high', category: 'file', title, detail, ...shared });
      this.suspect(event.timestamp);
    }
  }

  private addScheduledRun(event: PlasoEvent): void {
    const command = typeof event.record.command === 'string' ? event.record.command : '';
    const known = this.scheduled.get(command);
    if (known) known.runs.add(event.timestamp);
    else if (
      this.scheduled.size < MOST_COMMANDS &&
      pathsIn(command).some((path) => isHidden(path) || isTemporary(path))
    ) {
      const user = typeof event.record.username === 'string' ? event.record.username : 'somebody';
      const { line, timestamp } = event;
      this.scheduled.set(command, { line, timestamp, runs: new Set([timestamp]), user });
      this.suspect(timestamp);
    }
  }

  private finishScheduledRuns(): void {
    for (const [command, { line, timestamp, runs, user }] of this.scheduled) {
      this.found.add('persistence-cron-run', {
        severity: 'high',
        category: 'persistence',
        title: `Cron ran a hidden or temporary program as ${quoted(user, 64)}, ${runs.size} time(s).`,
        detail: `Command: ${quoted(command)}`,
        ...isoTime(timestamp),
        tool: 'plaso',
        record: `line ${line}`,
      });
    }
  }
}
