import { type FindingList, quoted } from './findings-list';
import type { MemoryRows } from './findings-processes';
import { flag, text } from './findings-record';

function findHookedCalls(found: FindingList, rows: MemoryRows): void {
  const tool = 'linux.malware.check_syscall';
  // Every handler in the kernel has "sys_" in its name; one outside of it has no name at all.
  const hooked = rows(tool).filter(({ record }) => !text(record, 'Handler Symbol').includes('sys_'));
  const [first] = hooked;
  if (!first) return;
  const calls = hooked.map(({ record }) => `${text(record, 'Table Name')} ${text(record, 'Index')}`);
  found.add('kernel-hooked-call', {
    severity: 'critical',
    category: 'module',
    title: `${hooked.length} system call(s) lead to code that is not the kernel's.`,
    detail: quoted(`Calls: ${calls.join(', ')}.`, 400),
    tool,
    record: `row ${first.row}`,
  });
}

function findHiddenModules(found: FindingList, rows: MemoryRows): void {
  const named = new Set<string>();
  const add = (tool: string, row: number, name: string) => {
    if (named.has(name)) return;
    named.add(name);
    found.add('kernel-hidden-module', {
      severity: 'critical',
      category: 'module',
      title: `The kernel module ${quoted(name, 64)} hides from the list of modules.`,
      detail: 'The kernel knows it, but /proc/modules would not show it.',
      tool,
      record: `row ${row}`,
    });
  };
  for (const { row, record } of rows('linux.malware.check_modules'))
    add('linux.malware.check_modules', row, text(record, 'Module Name') || text(record, 'Name'));
  for (const { row, record } of rows('linux.malware.modxview')) {
    // What only the scan finds may be what is left of an unloaded module.
    if (!flag(record, 'In procfs') && flag(record, 'In sysfs'))
      add('linux.malware.modxview', row, text(record, 'Name'));
  }
}

function findForeignModules(found: FindingList, rows: MemoryRows): void {
  const tool = 'linux.lsmod';
  for (const { row, record } of rows(tool)) {
    const taints = text(record, 'Taints');
    if (!/OOT_MODULE|UNSIGNED_MODULE|FORCED_MODULE/.test(taints)) continue;
    const title = `The kernel module ${quoted(text(record, 'Module Name'), 64)} did not come with the kernel.`;
    const detail = `Taints: ${quoted(taints)}.`;
    found.add('kernel-foreign-module', {
      severity: 'low',
      category: 'module',
      title,
      detail,
      tool,
      record: `row ${row}`,
    });
  }
}

function findSharedCredentials(found: FindingList, rows: MemoryRows): void {
  const tool = 'linux.malware.check_creds';
  for (const { row, record } of rows(tool)) {
    const title = `Processes ${quoted(text(record, 'PIDs'))} share one set of credentials, as a rootkit makes it.`;
    const detail = 'The kernel gives each process its own.';
    found.add('kernel-shared-credentials', {
      severity: 'high',
      category: 'module',
      title,
      detail,
      tool,
      record: `row ${row}`,
    });
  }
}

function findNetworkHooks(found: FindingList, rows: MemoryRows): void {
  const tool = 'linux.malware.netfilter';
  for (const { row, record } of rows(tool)) {
    if (!flag(record, 'Is Hooked')) continue;
    const title = `A hook of unknown origin sees network packets (${quoted(text(record, 'Hook'))}).`;
    const detail = `Protocol ${quoted(text(record, 'Proto'))}, module ${quoted(text(record, 'Module'))}.`;
    found.add('kernel-network-hook', {
      severity: 'critical',
      category: 'module',
      title,
      detail,
      tool,
      record: `row ${row}`,
    });
  }
}

/** What was changed in the kernel itself; on a clean system nothing but modules from other sources. */
export function findKernelChanges(found: FindingList, rows: MemoryRows): void {
  findHookedCalls(found, rows);
  findHiddenModules(found, rows);
  findForeignModules(found, rows);
  findSharedCredentials(found, rows);
  findNetworkHooks(found, rows);
}
