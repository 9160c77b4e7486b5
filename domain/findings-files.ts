import { type FindingList, quoted } from './findings-list';
import { isHidden, isPersistence, isProgramFolder, isTemporary } from './findings-paths';
import { number, text } from './findings-record';
import { isoTime, type PlasoEvent } from './findings-timeline-event';

const ANY_EXECUTE = 0o111;
const AUTHORIZED_KEYS = /\/\.ssh\/authorized_keys2?$/;
/** Logs that are never empty on a machine that was used; rotation keeps their older part beside them. */
const NEVER_EMPTY = /^\/var\/log\/(wtmp|lastlog|audit\/audit\.log)$/;
/** Written at an instance's first boot; the first of them that there is tells when that was. */
const FIRST_BOOT_FILES = ['/etc/machine-id', '/etc/hostname'];
const DAY = 86_400_000_000;
const HOUR = 3_600_000_000;
const MOST_FILES = 20_000;

interface FileState {
  line: number;
  created?: number;
  modified?: number;
  hash: string;
}

interface Kind {
  rule: string;
  severity: 'low' | 'medium' | 'high';
  /** Severity where the file appeared within an hour of what is suspicious anyway. */
  amidst: 'medium' | 'high';
  category: 'persistence' | 'file' | 'account';
  /** Holds whenever the file was made; else only when it came after the system was set up. */
  always: boolean;
  says: (path: string) => string;
}

/** The first kind that fits a path and its mode counts. */
function kindOf(path: string, size: number, mode: number): Kind | undefined {
  const kind = (rule: string, rest: Omit<Kind, 'rule'>): Kind => ({ rule, ...rest });
  const executable = (mode & ANY_EXECUTE) !== 0;
  if (executable && isHidden(path) && (isProgramFolder(path) || isTemporary(path)))
    return kind('file-hidden-executable', {
      ...{ severity: 'high', amidst: 'high', category: 'file', always: true },
      says: (file) => `${file} is a program with a hidden name where programs are not hidden.`,
    });
  if (executable && isTemporary(path))
    return kind('file-temporary-executable', {
      ...{ severity: 'medium', amidst: 'high', category: 'file', always: true },
      says: (file) => `${file} is a program in a folder that anybody may write to.`,
    });
  if (isPersistence(path))
    return kind('file-persistence', {
      ...{ severity: 'medium', amidst: 'high', category: 'persistence', always: false },
      says: (file) => `${file}, which the system runs by itself, appeared or changed after the system was set up.`,
    });
  if (AUTHORIZED_KEYS.test(path))
    return kind('file-authorized-keys', {
      ...{ severity: 'medium', amidst: 'high', category: 'account', always: false },
      says: (file) => `${file}, which lets keys log in, appeared or changed after the system was set up.`,
    });
  if (size === 0 && NEVER_EMPTY.test(path))
    return kind('file-empty-log', {
      ...{ severity: 'low', amidst: 'medium', category: 'file', always: false },
      says: (file) => `${file} is empty: it may have been cleared.`,
    });
  return undefined;
}

/** Files that an intruder leaves behind, judged by where they lie, when they came, and what happened around that time. */
export class FileRules {
  private readonly files = new Map<string, FileState & { kind: Kind }>();
  private readonly firstBoot = new Map<string, number>();

  constructor(private readonly found: FindingList) {}

  add(event: PlasoEvent): void {
    if (event.type !== 'fs:stat') return;
    const { file, record } = event;
    const created = event.meaning === 'Creation Time';
    const modified = event.meaning === 'Content Modification Time';
    if (modified && event.timestamp > 0 && FIRST_BOOT_FILES.includes(file)) this.firstBoot.set(file, event.timestamp);
    if (text(record, 'file_entry_type') !== 'file') return;
    let state = this.files.get(file);
    if (!state) {
      const kind = kindOf(file, number(record, 'file_size'), number(record, 'mode'));
      if (!kind || this.files.size >= MOST_FILES) return;
      state = { kind, line: event.line, hash: text(record, 'sha256_hash') };
      this.files.set(file, state);
    }
    // The record of its creation (or else of its last change) is the one to look at.
    if (created || (modified && state.created === undefined)) state.line = event.line;
    if (created) state.created = event.timestamp;
    if (modified) state.modified = event.timestamp;
  }

  /** `suspicious`: microseconds of the acts that make what happened within an hour of them suspicious. */
  finish(suspicious: readonly number[]): void {
    const setUp =
      FIRST_BOOT_FILES.map((file) => this.firstBoot.get(file)).find((time) => time !== undefined) ?? Infinity;
    for (const [path, { kind, line, created, modified, hash }] of this.files) {
      const times = [created, modified].filter((time): time is number => time !== undefined);
      const came = Math.max(...times, 0);
      const later = came > setUp + DAY;
      if (!kind.always && !later) continue;
      const amidst = times.some((time) => suspicious.some((act) => Math.abs(act - time) <= HOUR));
      this.found.add(kind.rule, {
        severity: amidst ? kind.amidst : kind.severity,
        category: kind.category,
        title: kind.says(quoted(path)),
        detail: hash === '' ? 'Its content was not hashed.' : `SHA-256 ${quoted(hash, 64)}.`,
        ...isoTime(came),
        tool: 'plaso',
        record: `line ${line}`,
      });
    }
  }
}
