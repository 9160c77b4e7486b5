import { isHidden, isTemporary } from './findings-paths';
import { number, text, flag, type ToolRecord } from './findings-record';

/** Names that the kernel gives its own threads (kernel/kthread.c callers); a user's process has no reason to bear one. */
const KERNEL_THREAD =
  /^\[?(kworker|kthreadd|ksoftirqd|migration|rcu_\w+|kswapd|kdevtmpfs|khugepaged|kcompactd|kblockd|kauditd|oom_reaper|watchdogd?|jbd2|scsi_eh_\d|cpuhp|idle_inject|kintegrityd|writeback|netns)\b/;
const KTHREADD = 2;
/** How acquire-memory-linux.sh starts the tool: it is in every image that it makes. */
const OWN_ACQUISITION =
  /^\/(?:dev\/shm|run)\/forensics\.\d+\.\w{6}\/tool acquire \/(?:dev\/shm|run)\/forensics\.\d+\.\w{6}\/stream$/;

/** One process, put together from the rows of several plugins. */
export interface Process {
  pid: number;
  parent: number;
  /** The name that the process gives itself. */
  name: string;
  command: string;
  executable: string;
  executableDeleted: boolean;
  createdAt?: string;
  /** `plugin` and `row` of the record that shows the process best. */
  seenIn: { plugin: string; row: number };
  /** Why the process is not like an ordinary one; empty for most. */
  reasons: ProcessReason[];
}

export type ProcessReason =
  'deleted-executable' | 'unusual-folder' | 'hidden-executable' | 'kernel-thread-name' | 'own-acquisition';

/** Rows of Volatility plugins by plugin name; rows that are no objects are left out, but counted. */
export type MemoryRows = (plugin: string) => { row: number; record: ToolRecord }[];

function reasonsOf(process: Process): ProcessReason[] {
  const reasons: ProcessReason[] = [];
  const ofKernel = process.pid === KTHREADD || (process.parent === KTHREADD && process.executable === '');
  if (ofKernel) return reasons;
  if (OWN_ACQUISITION.test(process.command)) return ['own-acquisition'];
  const program = process.executable !== '' ? process.executable : (process.command.split(' ')[0] ?? '');
  // A package update replaces programs that still run: only elsewhere is a deleted one out of the ordinary.
  if (process.executableDeleted && !/^\/(usr|s?bin|lib|lib64|opt)\//.test(process.executable))
    reasons.push('deleted-executable');
  if (isTemporary(program)) reasons.push('unusual-folder');
  if (isHidden(program)) reasons.push('hidden-executable');
  // The kernel starts helpers of its own as children of kthreadd; they have a program file.
  if (KERNEL_THREAD.test(process.name) && process.parent !== KTHREADD) reasons.push('kernel-thread-name');
  return reasons;
}

/** Every process of the image by its id, with what makes it suspicious. */
export function processesOf(rows: MemoryRows): Map<number, Process> {
  const processes = new Map<number, Process>();
  const at = (record: ToolRecord, plugin: string, row: number): Process | undefined => {
    const pid = number(record, 'PID');
    if (!Number.isInteger(pid)) return undefined;
    const known = processes.get(pid);
    if (known) return known;
    const parent = number(record, 'PPID');
    const name = text(record, 'COMM') || text(record, 'Comm');
    const started = { pid, parent, name, command: '', executable: '', executableDeleted: false };
    const process: Process = { ...started, seenIn: { plugin, row }, reasons: [] };
    processes.set(pid, process);
    return process;
  };
  for (const { row, record } of rows('linux.pslist')) {
    const process = at(record, 'linux.pslist', row);
    const created = text(record, 'CREATION TIME');
    if (process && created !== '') process.createdAt = created;
  }
  for (const { row, record } of rows('linux.psaux')) {
    const process = at(record, 'linux.psaux', row);
    if (process) process.command = text(record, 'ARGS').trim();
  }
  for (const { row, record } of rows('linux.malware.process_spoofing')) {
    const process = at(record, 'linux.malware.process_spoofing', row);
    if (!process) continue;
    const executable = text(record, 'Exe_Path').trim();
    process.executable = executable === 'N/A' ? '' : executable.replace(/ \(deleted\)$/, '');
    process.executableDeleted = flag(record, 'Exe_Deleted') || executable.endsWith(' (deleted)');
    if (process.executableDeleted) process.seenIn = { plugin: 'linux.malware.process_spoofing', row };
  }
  for (const process of processes.values()) process.reasons = reasonsOf(process);
  return processes;
}
