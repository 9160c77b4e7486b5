import type { ExaminationFinding } from './examination';
import { suspicionsOf } from './findings-commands';
import { findKernelChanges } from './findings-kernel';
import { FindingList, quoted } from './findings-list';
import { isHidden, isTemporary } from './findings-paths';
import { type MemoryRows, type Process, type ProcessReason, processesOf } from './findings-processes';
import { asRecord, number, text } from './findings-record';

/** Ports that servers of all sorts listen on; another one is worth a look, no more. */
const USUAL_PORTS = new Set([
  ...[22, 25, 53, 67, 68, 80, 88, 110, 111, 123, 143, 161, 323, 389, 443, 465, 514, 546, 587, 631, 636, 873, 993, 995],
  ...[1433, 1521, 2049, 2181, 2379, 2380, 3000, 3306, 5000, 5432, 5672, 6379, 8000, 8080, 8081, 8443, 8888, 9000, 9090],
  ...[9092, 9100, 9200, 9300, 10250, 10256, 11211, 27017],
]);
/** Defaults of well-known remote-control tools. */
const REMOTE_CONTROL_PORTS = new Set([1337, 4444, 5555, 6666, 6667, 6668, 6669, 9001, 12345, 31337, 50050]);
/** Programs that write machine code while they run, as part of their job. */
const JUST_IN_TIME =
  /^(java|node|nodejs|deno|bun|dotnet|mono|php|ruby|beam\.smp|luajit|python|pypy|qemu|chrom|firefox|gjs|postgres|julia|R$|amazon-ssm|containerd|polkitd|grafana)/;
const CONTROL_VARIABLE = /^(C2|CNC|C_AND_C|BEACON|IMPLANT|PAYLOAD|LHOST|LPORT|RHOST|RPORT|REVERSE|MALWARE)(_|$)/i;

const WHY: Record<ProcessReason, string> = {
  'deleted-executable': 'its program file was deleted while it runs',
  'unusual-folder': 'it was started from a folder that anybody may write to',
  'hidden-executable': 'its program file has a hidden name',
  'own-acquisition': 'by its path and command line it is the tool that took this image',
  'kernel-thread-name': 'it bears the name of a kernel thread, but is none',
};

const nameOf = (process: Process) => `${quoted(process.name, 32)} (process ${process.pid})`;

function findProcesses(found: FindingList, processes: Iterable<Process>): void {
  for (const process of processes) {
    if (process.reasons.length === 0) continue;
    const [first] = process.reasons;
    const own = first === 'own-acquisition';
    const why = process.reasons.map((reason) => WHY[reason]).join(', ');
    const title = `${nameOf(process)} is ${own ? 'probably ours' : 'not an ordinary process'}: ${why}.`;
    found.add(`process-${first ?? ''}`, {
      severity: own ? 'informational' : process.reasons.length > 1 ? 'critical' : 'high',
      category: 'process',
      title,
      detail: `Command line: ${quoted(process.command)}; program: ${quoted(process.executable)}; parent: ${process.parent}.`,
      ...(process.createdAt === undefined ? {} : { time: process.createdAt }),
      tool: process.seenIn.plugin,
      record: `row ${process.seenIn.row}`,
    });
  }
}

const LOOPBACK = /^(127\.|::1$)/;

function findConnections(found: FindingList, rows: MemoryRows, processes: Map<number, Process>): void {
  const tool = 'linux.sockstat';
  const seen = new Set<string>();
  for (const { row, record } of rows(tool)) {
    if (!/^AF_INET6?$/.test(text(record, 'Family'))) continue;
    const process = processes.get(number(record, 'PID'));
    const suspicious = (process?.reasons.length ?? 0) > 0;
    const who = process ? nameOf(process) : `process ${text(record, 'PID')}`;
    const address = text(record, 'Source Addr');
    const port = number(record, 'Source Port');
    const peer = `${text(record, 'Destination Addr')} port ${text(record, 'Destination Port')}`;
    const state = text(record, 'State');
    // Threads of one process show the same socket again.
    const key = `${who} ${state} ${address} ${port} ${peer}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const evidence = { tool, record: `row ${row}`, detail: `${text(record, 'Proto')} socket ${text(record, 'FD')}.` };
    if (state === 'LISTEN' && (suspicious || !(LOOPBACK.test(address) || USUAL_PORTS.has(port)))) {
      const severity = suspicious ? 'high' : REMOTE_CONTROL_PORTS.has(port) ? 'medium' : 'low';
      const title = `${who} listens on port ${port} of ${quoted(address)}.`;
      found.add('connection-listener', { severity, category: 'connection', title, ...evidence });
    } else if (state === 'ESTABLISHED' && suspicious) {
      const title = `${who} has an open session from ${quoted(address)} port ${port} to ${quoted(peer)}.`;
      found.add('connection-session', { severity: 'high', category: 'connection', title, ...evidence });
    }
  }
}

function findInjectedCode(found: FindingList, rows: MemoryRows, processes: Map<number, Process>): void {
  const tool = 'linux.malware.malfind';
  const regions = new Map<number, { row: number; count: number; name: string; where: string }>();
  for (const { row, record } of rows(tool)) {
    if (text(record, 'Protection') !== 'rwx') continue;
    const pid = number(record, 'PID');
    const known = regions.get(pid);
    if (known) known.count++;
    else {
      const where = `${text(record, 'Path')} at 0x${number(record, 'Start').toString(16)}`;
      regions.set(pid, { row, count: 1, name: text(record, 'Process'), where });
    }
  }
  for (const [pid, { row, count, name, where }] of regions) {
    const suspicious = (processes.get(pid)?.reasons.length ?? 0) > 0;
    found.add('process-writable-code', {
      severity: suspicious ? 'high' : JUST_IN_TIME.test(name) ? 'low' : 'medium',
      category: 'process',
      title: `${quoted(name, 32)} (process ${pid}) holds memory that is both writable and executable, as injected code needs it.`,
      detail: `${count} region(s), the first: ${quoted(where)}.`,
      tool,
      record: `row ${row}`,
    });
  }
}

function findShellHistory(found: FindingList, rows: MemoryRows): void {
  const tool = 'linux.bash';
  for (const { row, record } of rows(tool)) {
    const command = text(record, 'Command');
    const time = text(record, 'CommandTime');
    for (const { rule, severity, category, deed } of suspicionsOf(command)) {
      found.add(rule, {
        severity,
        category,
        title: `Shell ${text(record, 'PID')} ${quoted(deed)}.`,
        detail: `Command: ${quoted(command)}`,
        ...(time === '' ? {} : { time }),
        tool,
        record: `row ${row}`,
      });
    }
  }
}

function findEnvironment(found: FindingList, rows: MemoryRows): void {
  const tool = 'linux.envars';
  const control = new Map<number, { row: number; name: string; variables: string[] }>();
  for (const { row, record } of rows(tool)) {
    const [key, value, pid] = [text(record, 'KEY'), text(record, 'VALUE'), number(record, 'PID')];
    const name = text(record, 'COMM');
    if (CONTROL_VARIABLE.test(key)) {
      const known = control.get(pid) ?? { row, name, variables: [] };
      // Only hosts and ports are shown: other values may be secrets.
      const shown = /(HOST|ADDR|PORT|URL|SERVER)/i.test(key) ? `${key}=${value}` : key;
      known.variables.push(quoted(shown, 80));
      control.set(pid, known);
    }
    if (key === 'LD_PRELOAD' && (isTemporary(value) || isHidden(value))) {
      const title = `${quoted(name, 32)} (process ${pid}) loads a library from an unusual place before all others.`;
      const detail = `LD_PRELOAD=${quoted(value)}`;
      found.add('process-preload', {
        severity: 'high',
        category: 'process',
        title,
        detail,
        tool,
        record: `row ${row}`,
      });
    }
  }
  for (const [pid, { row, name, variables }] of control) {
    found.add('process-control-variables', {
      severity: 'high',
      category: 'indicator',
      title: `${quoted(name, 32)} (process ${pid}) was given the settings of a remote-control channel in its environment.`,
      detail: `Variables: ${variables.join(', ')}.`,
      tool,
      record: `row ${row}`,
    });
  }
}

/**
 * Findings out of the rows that Volatility 3 plugins print (JSON lines, by plugin name as in `MEMORY_PLUGINS`), the
 * gravest first. Plugins that did not run are simply absent. A finding's record is the 1-based row of the plugin's output.
 */
export function findingsFromMemory(
  exhibit: string,
  outputs: Readonly<Record<string, unknown[]>>,
): ExaminationFinding[] {
  const found = new FindingList(exhibit);
  const rows: MemoryRows = (plugin) =>
    (outputs[plugin] ?? []).flatMap((value, index) => {
      const record = asRecord(value);
      return record ? [{ row: index + 1, record }] : [];
    });
  const processes = processesOf(rows);
  findProcesses(found, processes.values());
  findConnections(found, rows, processes);
  findInjectedCode(found, rows, processes);
  findShellHistory(found, rows);
  findEnvironment(found, rows);
  findKernelChanges(found, rows);
  return found.gravestFirst();
}
