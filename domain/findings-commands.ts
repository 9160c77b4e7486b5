import type { FindingCategory } from './examination';
import type { Severity } from './finding';
import { isHidden, isPersistence, isProgramFolder, isTemporary, pathsIn } from './findings-paths';

/** What a command line that somebody typed (or ran) gives away. */
export interface CommandSuspicion {
  rule: string;
  severity: Severity;
  category: FindingCategory;
  /** Completes "A shell ...". */
  deed: string;
}

/** Nobody types more; a hostile history must not keep the rules busy. */
const LONGEST_COMMAND = 4_000;
const DOWNLOAD = /(^|[\s;&|(])(curl|wget)\s/;
const RUN_DOWNLOAD = /\b(curl|wget)\b[^|;]*\|\s*(sudo\s+)?(env\s+)?(ba|da|z)?sh\b/;
const PLAIN_SOURCE = /\bhttp:\/\/|https?:\/\/\d{1,3}(\.\d{1,3}){3}/;
const REVERSE_SHELL = /\/dev\/(tcp|udp)\/|\b(nc|ncat|netcat)\b[^|;]*\s-[a-z]*[ec]\s|\bsocat\b.*\bexec:/i;
const CREDENTIALS =
  /\.aws\/credentials|\/etc\/shadow\b|meta-data\/iam\/security-credentials|\/\.ssh\/id_|\/\.(git-credentials|netrc|docker\/config\.json|kube\/config)\b/;
const READS = /(^|[\s;&|(])(cat|less|more|head|tail|cp|scp|base64|xxd|strings|grep|curl|wget|tar|zip|vim?|nano)\s/;
const MAKES_ACCOUNT = /\b(useradd|adduser|usermod)\s/;
const SAME_ID = /\s(-o|--non-unique)\b/;
const ID_ZERO = /\s(-u\s*|--uid[ =])0\b/;
const CLEARS_TRACKS =
  /\bhistory\s+-c\b|\bunset\s+HISTFILE\b|HISTFILE=\/dev\/null|HISTSIZE=0\b|\b(rm|shred|truncate)\b[^|;]*(\/var\/log\/|\.bash_history)|(^|[^>])>\s*\/var\/log\//;
const WRITES = />|\btee\b|\b(cp|mv|install|ln)\s/;

/** The file that a command line downloads to, if it names one. */
export function downloadTarget(line: string): string | undefined {
  const command = line.slice(0, LONGEST_COMMAND);
  if (!DOWNLOAD.test(command)) return undefined;
  return /(?:\s-[a-zA-Z]*[oO]\s*|--output[ =]|--output-document[ =]|>\s*)(\/[^\s;&|'"]+)/.exec(command)?.[1];
}

/** The file that a command line makes executable, if it names one. */
export function madeExecutable(line: string): string | undefined {
  const command = line.slice(0, LONGEST_COMMAND);
  return /\bchmod\s+(?:[ugoa]*\+[rwst]*x[rwst]*|[0-7]*[1357][0-7]{0,2})\s+(\/[^\s;&|'"]+)/.exec(command)?.[1];
}

function persistence(command: string): boolean {
  if (/\bcrontab\s+(-e\b|-\s*$|[^-\s])|\bsystemctl\s+enable\b.*(\/|--now)/.test(command)) return true;
  if (!WRITES.test(command)) return false;
  const written = command.slice(Math.max(0, command.search(WRITES)));
  return pathsIn(written).some((path) => isPersistence(path)) || /\.ssh\/authorized_keys/.test(written);
}

/** Every rule that a command line meets; ordinary administration meets none. */
export function suspicionsOf(line: string): CommandSuspicion[] {
  const command = line.slice(0, LONGEST_COMMAND);
  const found: CommandSuspicion[] = [];
  const add = (rule: string, severity: Severity, category: FindingCategory, deed: string) =>
    found.push({ rule, severity, category, deed });
  const target = downloadTarget(command);
  if (RUN_DOWNLOAD.test(command)) {
    const severity = PLAIN_SOURCE.test(command) ? 'high' : 'medium';
    add('shell-download-run', severity, 'process', 'ran a script straight from the network');
  } else if (target !== undefined && (isTemporary(target) || isHidden(target) || isProgramFolder(target))) {
    add('shell-download', 'high', 'file', `downloaded a file to ${target}`);
  }
  const executable = madeExecutable(command);
  if (executable !== undefined && (isTemporary(executable) || isHidden(executable)))
    add('shell-make-executable', 'medium', 'file', `made ${executable} executable`);
  if (REVERSE_SHELL.test(command))
    add('shell-reverse-shell', 'critical', 'connection', 'opened a shell to the network');
  if (MAKES_ACCOUNT.test(command) && SAME_ID.test(command) && ID_ZERO.test(command))
    add('shell-uid-0-account', 'critical', 'account', 'made a second superuser account');
  if (persistence(command))
    add('shell-persistence', 'high', 'persistence', 'set up something that the system runs by itself');
  if (CREDENTIALS.test(command) && READS.test(command))
    add('shell-credential-access', 'high', 'account', 'read stored credentials');
  if (CLEARS_TRACKS.test(command)) add('shell-clears-tracks', 'high', 'indicator', 'removed its own traces');
  return found;
}
