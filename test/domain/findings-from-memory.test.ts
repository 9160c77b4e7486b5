import { findingsFromMemory } from '../../domain/findings-from-memory';
import { MEMORY_PLUGINS } from '../../domain/findings-memory-plugins';

const process = (PID: number, PPID: number, COMM: string, ARGS: string, Exe_Path: string, Exe_Deleted = false) => ({
  'linux.pslist': [{ PID, PPID, COMM, 'CREATION TIME': '2026-11-22T06:55:11+00:00' }],
  'linux.psaux': [{ PID, PPID, COMM, ARGS }],
  'linux.malware.process_spoofing': [{ PID, PPID, Comm: COMM, Exe_Path, Exe_Deleted }],
});

function merged(...outputs: Record<string, unknown[]>[]): Record<string, unknown[]> {
  const all: Record<string, unknown[]> = {};
  for (const output of outputs)
    for (const [plugin, rows] of Object.entries(output)) all[plugin] = [...(all[plugin] ?? []), ...rows];
  return all;
}

const found = (...outputs: Record<string, unknown[]>[]) =>
  findingsFromMemory('memory', merged(...outputs)).map(({ id, severity }) => `${severity} ${id}`);

const socket = (PID: number, State: string, port: number, address = '0.0.0.0') => ({
  'linux.sockstat': [
    {
      PID,
      FD: 3,
      Family: 'AF_INET',
      Proto: 'TCP',
      State,
      'Source Addr': address,
      'Source Port': String(port),
      'Destination Addr': '198.51.100.9',
      'Destination Port': '443',
    },
  ],
});

test('an ordinary server gives no findings', () => {
  expect(
    found(
      process(1, 0, 'systemd', '/usr/lib/systemd/systemd --switched-root', '/usr/lib/systemd/systemd'),
      process(2, 0, 'kthreadd', '[kthreadd]', 'N/A'),
      process(17, 2, 'kworker/0:1-events', '[kworker/0:1-eve]', 'N/A'),
      process(300, 2, 'kworker/u4:0', '/sbin/modprobe -q -- net-pf-10', '/sbin/modprobe'),
      process(900, 1, 'sshd', 'sshd: /usr/sbin/sshd -D', '/usr/sbin/sshd'),
      // After an update of its package.
      process(901, 1, 'dbus-broker', 'dbus-broker', '/usr/bin/dbus-broker (deleted)', true),
      process(1200, 1, 'nginx', 'nginx: worker process', '/usr/sbin/nginx'),
      socket(900, 'LISTEN', 22),
      socket(1200, 'LISTEN', 443),
      socket(1200, 'LISTEN', 9999, '127.0.0.1'),
      socket(1200, 'ESTABLISHED', 443),
      { 'linux.bash': [{ PID: 5, Command: 'df -h', CommandTime: '2026-11-22T06:55:12+00:00' }] },
      { 'linux.envars': [{ PID: 1200, COMM: 'nginx', KEY: 'PATH', VALUE: '/usr/bin' }] },
      { 'linux.lsmod': [{ 'Module Name': 'ena', Taints: '' }] },
      { 'linux.malware.check_syscall': [{ 'Handler Symbol': '__x64_sys_read', Index: 0, 'Table Name': '64bit' }] },
      { 'linux.malware.modxview': [{ Name: 'ena', 'In procfs': true, 'In sysfs': true, 'In scan': true }] },
      { 'linux.malware.netfilter': [{ 'Is Hooked': 'False', Module: '__kernel__', Hook: 'POST_ROUTING' }] },
    ),
  ).toEqual([]);
});

test('memory that a runtime writes its code to is worth little', () => {
  const region = {
    'linux.malware.malfind': [{ PID: 7, Process: 'java', Protection: 'rwx', Path: 'Anonymous Mapping' }],
  };
  expect(found(region, region)).toEqual(['low memory-process-writable-code-1']);
  const other = {
    'linux.malware.malfind': [{ PID: 8, Process: 'nginx', Protection: 'rwx', Path: 'Anonymous Mapping' }],
  };
  expect(found(other)).toEqual(['medium memory-process-writable-code-1']);
});

test('the tool that took the image is told from an intruder', () => {
  const command = '/dev/shm/forensics.4711.Ab12Cd/tool acquire /dev/shm/forensics.4711.Ab12Cd/stream';
  expect(found(process(50, 49, 'tool', command, '/dev/shm/forensics.4711.Ab12Cd/tool'))).toEqual([
    'informational memory-process-own-acquisition-1',
  ]);
  expect(found(process(51, 49, 'x', '/dev/shm/x', '/dev/shm/x'))).toEqual(['high memory-process-unusual-folder-1']);
});

test('listeners are judged by process and port', () => {
  expect(found(process(9, 1, 'app', '/opt/app', '/opt/app'), socket(9, 'LISTEN', 4444))).toEqual([
    'medium memory-connection-listener-1',
  ]);
  expect(found(process(9, 1, 'app', '/opt/app', '/opt/app'), socket(9, 'LISTEN', 7777))).toEqual([
    'low memory-connection-listener-1',
  ]);
  expect(found(process(9, 1, 'kworker/1:1', '/opt/app', '/opt/app'), socket(9, 'ESTABLISHED', 50000))).toEqual([
    'high memory-process-kernel-thread-name-1',
    'high memory-connection-session-1',
  ]);
});

test('changes of the kernel itself', () => {
  expect(
    found({
      'linux.malware.check_syscall': [{ 'Handler Symbol': 'UNKNOWN', Index: 0, 'Table Name': '64bit' }],
      'linux.malware.check_modules': [{ 'Module Name': 'diamorphine' }],
      'linux.malware.modxview': [
        { Name: 'diamorphine', 'In procfs': false, 'In sysfs': true },
        { Name: 'remains', 'In procfs': false, 'In sysfs': false, 'In scan': true },
      ],
      'linux.malware.check_creds': [{ PIDs: '1, 4711' }],
      'linux.malware.netfilter': [{ 'Is Hooked': 'True', Hook: 'PRE_ROUTING' }],
      'linux.lsmod': [{ 'Module Name': 'lime', Taints: 'OOT_MODULE,UNSIGNED_MODULE' }],
    }),
  ).toEqual([
    'critical memory-kernel-hooked-call-1',
    'critical memory-kernel-hidden-module-1',
    'critical memory-kernel-network-hook-1',
    'high memory-kernel-shared-credentials-1',
    'low memory-kernel-foreign-module-1',
  ]);
});

test('secrets among control variables are not shown', () => {
  const variable = (KEY: string, VALUE: string) => ({ 'linux.envars': [{ PID: 3, COMM: 'x', KEY, VALUE }] });
  const [finding] = findingsFromMemory(
    'memory',
    merged(variable('C2_HOST', '203.0.113.66'), variable('C2_TOKEN', 'abc')),
  );
  expect(finding!.detail).toContain('203.0.113.66');
  expect(finding!.detail).not.toContain('abc');
  expect(finding!.evidence).toEqual({ exhibit: 'memory', tool: 'linux.envars', record: 'row 1' });
});

test('rows that are not what they should be are survived, and findings stay few', () => {
  const rubbish = [null, 7, 'text', [], {}, { PID: 'x' }, { PID: {}, COMM: [] }];
  expect(findingsFromMemory('memory', Object.fromEntries(MEMORY_PLUGINS.map((plugin) => [plugin, rubbish])))).toEqual(
    expect.any(Array),
  );
  const many = Array.from({ length: 5000 }, (_, PID) => ({ PID, Command: 'history -c' }));
  expect(findingsFromMemory('memory', { 'linux.bash': many })).toHaveLength(100);
});
