import { type FindingList, quoted } from './findings-list';
import { text } from './findings-record';
import { isoTime, type PlasoEvent } from './findings-timeline-event';

const FAILED =
  /^Failed (?:password|publickey|keyboard-interactive\S*) for (?:invalid user )?(.{1,64}?) from (\S+) port/;
const ACCEPTED = /^Accepted (\S+) for (.{1,64}?) from (\S+) port/;
const ROOT_SHELL = /^\s*(\S{1,64}) : .*USER=root ; COMMAND=(\S*\/(?:ba|da|z|k|fi|tc|c)?sh|\S*\/su)(\s|$)/;
const NEW_USER = /^new user: name=([^,]+), UID=(\d+)/;
/** From this many failures on it is guessing, not a slip of the fingers. */
const GUESSES = 3;
const SCAN = 100;
/** Addresses that are remembered; a scan from all over the internet must not fill the memory. */
const MOST_ADDRESSES = 20_000;

interface Attempts {
  inLogs: Set<string>;
  inFailureFile: Set<string>;
  line: number;
  last: number;
}

/** Who tried to log in, who got in, and what they became. */
export class LoginRules {
  private readonly attempts = new Map<string, Attempts>();
  private readonly seen = new Set<string>();

  /** `onSuspicion` hears the time of every act that makes what happens around it suspicious. */
  constructor(
    private readonly found: FindingList,
    private readonly onSuspicion: (timestamp: number) => void,
  ) {}

  add(event: PlasoEvent): void {
    if (event.type === 'linux:utmp:event') this.addFailureFile(event);
    else if (/^(syslog:|systemd:journal)/.test(event.type)) this.addLogLine(event);
  }

  private addFailureFile(event: PlasoEvent): void {
    if (!/\/btmp[^/]*$/.test(event.file)) return;
    const address = text(event.record, 'ip_address');
    this.attemptsFrom(address, event)?.inFailureFile.add(`${event.timestamp}`);
  }

  private addLogLine(event: PlasoEvent): void {
    const failed = FAILED.exec(event.message);
    if (failed?.[2]) {
      this.attemptsFrom(failed[2], event)?.inLogs.add(`${second(event)} ${failed[1] ?? ''}`);
      return;
    }
    const accepted = ACCEPTED.exec(event.message);
    if (accepted) this.accepted(event, accepted[1] ?? '', accepted[2] ?? '', accepted[3] ?? '');
    const shell = event.reporter === 'sudo' ? ROOT_SHELL.exec(event.message) : null;
    if (shell) this.rootShell(event, shell[1] ?? '', shell[2] ?? '');
    const user = /^(useradd|adduser)$/.test(event.reporter) ? NEW_USER.exec(event.message) : null;
    if (user) this.newUser(event, user[1] ?? '', Number(user[2]));
  }

  private attemptsFrom(address: string, event: PlasoEvent): Attempts | undefined {
    const known = this.attempts.get(address);
    if (known) {
      known.last = event.timestamp;
      // More attempts than a scan makes add nothing.
      return known.inLogs.size + known.inFailureFile.size > 2 * SCAN ? undefined : known;
    }
    if (this.attempts.size >= MOST_ADDRESSES) return undefined;
    const first = {
      inLogs: new Set<string>(),
      inFailureFile: new Set<string>(),
      line: event.line,
      last: event.timestamp,
    };
    this.attempts.set(address, first);
    return first;
  }

  /** The same act lies in several logs: only the first record of it counts. */
  private isFirst(event: PlasoEvent, what: string): boolean {
    const key = `${second(event)} ${what}`;
    if (this.seen.has(key) || this.seen.size > 100_000) return false;
    this.seen.add(key);
    return true;
  }

  private accepted(event: PlasoEvent, method: string, user: string, address: string): void {
    if (!this.isFirst(event, `accepted ${user} ${address}`)) return;
    const evidence = { ...isoTime(event.timestamp), tool: 'plaso', record: `line ${event.line}` };
    const detail = `Log line: ${quoted(event.message)} (${quoted(event.file)})`;
    const attempts = this.attempts.get(address);
    // The failures lie in the log and in the file of failures: the longer count is the count.
    const failures = Math.max(attempts?.inLogs.size ?? 0, attempts?.inFailureFile.size ?? 0);
    if (failures > 0) {
      const severity = failures >= GUESSES ? 'critical' : 'medium';
      const title = `${quoted(user, 64)} logged in from ${quoted(address, 64)} after ${failures} failed log-in(s) from there.`;
      this.found.add('login-after-failures', { severity, category: 'login', title, detail, ...evidence });
    }
    if (method === 'password') {
      const title = `${quoted(user, 64)} logged in with a password from ${quoted(address, 64)}.`;
      this.found.add('login-password', { severity: 'medium', category: 'login', title, detail, ...evidence });
    }
    if (failures >= GUESSES) this.onSuspicion(event.timestamp);
  }

  private rootShell(event: PlasoEvent, user: string, shell: string): void {
    if (!this.isFirst(event, `root shell ${user}`)) return;
    this.found.add('login-root-shell', {
      severity: 'medium',
      category: 'account',
      title: `${quoted(user, 64)} became root with a shell (${quoted(shell, 64)}) through sudo.`,
      detail: `Log line: ${quoted(event.message)}`,
      ...isoTime(event.timestamp),
      tool: 'plaso',
      record: `line ${event.line}`,
    });
  }

  private newUser(event: PlasoEvent, user: string, id: number): void {
    if (!this.isFirst(event, `new user ${user}`)) return;
    const superuser = id === 0;
    this.found.add(superuser ? 'account-uid-0' : 'account-new', {
      severity: superuser ? 'critical' : 'low',
      category: 'account',
      title: superuser
        ? `A second superuser account, ${quoted(user, 64)} (UID 0), was made.`
        : `The account ${quoted(user, 64)} was made.`,
      detail: `Log line: ${quoted(event.message)}`,
      ...isoTime(event.timestamp),
      tool: 'plaso',
      record: `line ${event.line}`,
    });
    if (superuser) this.onSuspicion(event.timestamp);
  }

  finish(): void {
    for (const [address, { inLogs, inFailureFile, line, last }] of this.attempts) {
      const failures = Math.max(inLogs.size, inFailureFile.size);
      if (failures < SCAN) continue;
      this.found.add('login-guessing', {
        severity: 'low',
        category: 'login',
        title: `${quoted(address, 64)} failed to log in ${failures} times or more.`,
        detail: 'Common for machines that the internet reaches; what counts is whether one succeeded.',
        ...isoTime(last),
        tool: 'plaso',
        record: `line ${line}`,
      });
    }
  }
}

function second(event: PlasoEvent): number {
  return Math.floor(event.timestamp / 1_000_000);
}
