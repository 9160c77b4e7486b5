import { createHash } from 'node:crypto';
import { shellQuoted } from '../setup/shell-quote';
import { loginRecord } from './login-record';
import type { Scenario, Trace, TraceOf } from './scenario';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const FIRST_PID = 2100;
const FIRST_PORT = 50_144;
/** 60,000 characters stay below the 64 KB that a command may have (AWS General Reference, "Systems Manager quotas"). */
const LONGEST_SCRIPT = 60_000;

export interface PlantingParts {
  /** planting.sh. */
  functions: string;
  /** The planted program, packed with gzip. Needed when the scenario has a program. */
  program?: Buffer;
  /** When it is planted: what the times of traces count from. */
  now: Date;
}

/** `Feb 17 02:13:05 HOST sshd[2110]: text`; the lines are in UTC, as the clock of an Amazon machine image is. */
function syslogLine(seconds: number, program: string, pid: number, text: string): string {
  const at = new Date(seconds * 1000);
  const day = String(at.getUTCDate()).padStart(2);
  return `${MONTHS[at.getUTCMonth()] ?? ''} ${day} ${at.toISOString().slice(11, 19)} @HOST@ ${program}[${pid}]: ${text}`;
}

function syslogLines(lines: readonly string[], program: string, from: number, every: number): string {
  return lines.map((text, number) => syslogLine(from + number * every, program, FIRST_PID + number, text)).join('\n');
}

/** A line of authorized_keys whose key is a hash of its comment: nobody holds a private key that fits. */
function publicKeyLine(comment: string): string {
  const kind = 'ssh-ed25519';
  const length = (bytes: number): Buffer => Buffer.from([0, 0, 0, bytes]);
  const key = createHash('sha256').update(comment).digest();
  return `${kind} ${Buffer.concat([length(kind.length), Buffer.from(kind), length(32), key]).toString('base64')} ${comment}`;
}

/** As Linux on a little-endian processor writes an address in /proc/net/tcp: `420071CB:01BB`. */
function peerInKernel(address: string, port: number): string {
  const bytes = address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  return `${bytes.reverse().join('')}:${port.toString(16).padStart(4, '0')}`.toUpperCase();
}

function failedLogIns({ users, from, every }: TraceOf<'failed-log-ins'>, start: number): string[] {
  const port = (number: number): number => FIRST_PORT - users.length + number;
  const line = (user: string, number: number): string =>
    `Failed password for ${user} from ${from} port ${port(number)} ssh2`;
  const records = users.map((user, number) =>
    loginRecord({
      kind: 'failed',
      pid: FIRST_PID + number,
      terminal: 'ssh:notty',
      user,
      from,
      time: start + number * every,
    }),
  );
  return [
    'failed_log_ins',
    syslogLines(users.map(line), 'sshd', start, every),
    Buffer.concat(records).toString('base64'),
  ];
}

function logIn({ user, method, from, lasts }: TraceOf<'log-in'>, start: number): string[] {
  const shared = { pid: FIRST_PID, terminal: 'pts/0' };
  const records = [
    loginRecord({ ...shared, kind: 'login', user, from, time: start }),
    loginRecord({ ...shared, kind: 'logout', user: '', from: '', time: start + lasts }),
  ];
  const accepted = `Accepted ${method} for ${user} from ${from} port ${FIRST_PORT} ssh2`;
  return ['log_in', syslogLine(start, 'sshd', FIRST_PID, accepted), Buffer.concat(records).toString('base64')];
}

function systemdUnit({ name, description, command }: TraceOf<'systemd-unit'>, start: number): string[] {
  const unit = ['[Unit]', `Description=${description}`, '[Service]', 'Type=oneshot', `ExecStart=${command}`];
  const text = [...unit, '[Install]', 'WantedBy=multi-user.target', ''].join('\n');
  return ['systemd_unit', String(start), name, text];
}

function account({ name, uid, shell }: TraceOf<'account'>, start: number): string[] {
  const home = uid === 0 ? '/root' : `/home/${name}`;
  const words = `new user: name=${name}, UID=${uid}, GID=${uid}, home=${home}, shell=${shell}, from=/dev/pts/0`;
  const passwd = `${name}:x:${uid}:${uid}::${home}:${shell}`;
  return ['account', String(start), name, passwd, syslogLine(start, 'useradd', FIRST_PID, words)];
}

function program(trace: TraceOf<'program'>, code: Buffer | undefined): string[] {
  if (code === undefined) throw new Error(`the trace ${trace.id} needs the compiled program`);
  const variables = Object.entries(trace.environment).map(([name, value]) => `${name}=${value}`);
  const options = [
    ...(trace.listen === undefined ? [] : ['--listen', String(trace.listen)]),
    ...(trace.beacon === undefined ? [] : ['--beacon', `${trace.beacon.address}:${trace.beacon.port}`]),
    ...['--name', trace.processName, '--hours', String(trace.hours)],
  ];
  return ['program', trace.path, code.toString('base64'), String(variables.length), ...variables, ...options];
}

/** A function of planting.sh and its arguments. */
function callOf(trace: Trace, scenario: Scenario, { now, program: code }: PlantingParts): string[] {
  const start = Math.floor(now.getTime() / 1000) - ('at' in trace ? trace.at : 0);
  switch (trace.plant) {
    case 'failed-log-ins':
      return failedLogIns(trace, start);
    case 'log-in':
      return logIn(trace, start);
    case 'log-lines':
      return ['append_log', trace.file, syslogLines(trace.lines, trace.program, start, trace.every)];
    case 'journal-lines':
      return ['journal_lines', trace.program, trace.lines.join('\n')];
    case 'authorized-key':
      return ['authorized_key', String(start), trace.user, publicKeyLine(trace.comment)];
    case 'file':
      return ['put_file', String(start), trace.mode, trace.path, trace.content];
    case 'cron-entry': {
      const text = `${trace.schedule} ${trace.user} ${trace.command}\n`;
      return ['put_file', String(start), '644', `/etc/cron.d/${trace.name}`, text];
    }
    case 'systemd-unit':
      return systemdUnit(trace, start);
    case 'account':
      return account(trace, start);
    case 'shell-history': {
      const lines = trace.commands.map((command, number) => `#${start + number * trace.every}\n${command}`);
      const last = start + (trace.commands.length - 1) * trace.every;
      return ['shell_history', String(last), trace.user, lines.join('\n')];
    }
    case 'emptied-log':
      return ['emptied_log', String(start), trace.path];
    case 'open-shell': {
      const lines = trace.commands.map((command) => `history -s -- ${shellQuoted(command)}`);
      return ['open_shell', String(lines.length), lines.join('\n')];
    }
    case 'program':
      return program(trace, code);
    case 'session': {
      const opener = scenario.traces.find((other) => other.id === trace.of);
      if (opener?.plant !== 'program' || opener.beacon === undefined) throw new Error(`${trace.of} opens no session`);
      const { address, port } = opener.beacon;
      return ['session', peerInKernel(address, port), `${address} port ${port}`];
    }
  }
}

/**
 * The script that plants a scenario, for Run Command (AWS-RunShellScript) on a running instance of the lab, as root. The
 * same input gives the same text. What it prints: planting.sh; `plant` runs it and reads that.
 * @throws Error the script would be longer than Run Command takes, or a program is needed and not given
 */
export function plantingScript(scenario: Scenario, parts: PlantingParts): string {
  const calls = scenario.traces.map((trace) => {
    const words = ['plant', trace.id, ...callOf(trace, scenario, parts).map(shellQuoted)];
    return words.join(' ');
  });
  const [first = '', ...rest] = parts.functions.trimEnd().split('\n');
  const script = [first, `SCENARIO=${shellQuoted(scenario.name)}`, ...rest, '', ...calls, 'write_out', ''].join('\n');
  if (script.length > LONGEST_SCRIPT) {
    throw new Error(`the scenario ${scenario.name} is too long: ${script.length} of ${LONGEST_SCRIPT} characters`);
  }
  // The agent takes it for a parameter's place.
  if (script.includes('{{')) throw new Error(`the scenario ${scenario.name} holds "{{", which Run Command replaces`);
  return script;
}
