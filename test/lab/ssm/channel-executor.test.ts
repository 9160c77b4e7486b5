import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChannelExecutor } from '../../../lab/agent/channel-executor';
import { parseRunnerLine } from '../../../lab/agent/channel-protocol';
import type { ScriptResult } from '../../../lab/agent/executor';
import { FakeGuest } from './fake-guest';
import { until } from './ssm-bench';

interface Variation {
  environment?: Record<string, string>;
  workingDirectory?: string;
  timeoutSeconds?: number;
  stop?: AbortSignal;
}

describe('scripts in a guest behind a serial channel', () => {
  let folder: string;
  let guest: FakeGuest;
  let executor: ChannelExecutor;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'channel-'));
    guest = new FakeGuest(folder);
    executor = new ChannelExecutor({ socketPath: guest.socketPath, readyWithinSeconds: 10, retrySeconds: 0.1 });
  });

  afterEach(async () => {
    await executor.close();
    await guest.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function run(script: string, variation: Variation = {}): Promise<ScriptResult> {
    return await executor.run({
      script,
      environment: {},
      timeoutSeconds: 30,
      stop: new AbortController().signal,
      name: 'command/step',
      ...variation,
    });
  }

  test('the platform is what the runner tells, once the guest has booted', async () => {
    const platform = executor.platform(); // there is no socket yet
    await sleep(150);
    guest.booted = false;
    await guest.listen();
    await sleep(300);
    guest.booted = true;
    expect(await platform).toEqual({ name: 'Fake Linux', version: '7', hostname: 'guest-1', address: '10.0.2.15' });
  });

  test('a runner that announces itself needs no HELLO', async () => {
    guest.booted = false;
    await guest.listen();
    guest.ready();
    expect((await executor.platform()).hostname).toBe('guest-1');
  });

  test('a guest that never answers is an error that names the socket', async () => {
    const impatient = new ChannelExecutor({ socketPath: guest.socketPath, readyWithinSeconds: 0.3, retrySeconds: 0.1 });
    await expect(impatient.platform()).rejects.toThrow(guest.socketPath);
    await impatient.close();
    await guest.listen();
  });

  test('output, errors and the exit code come back, through noise on the line', async () => {
    await guest.listen();
    expect(await run('echo "héllo ✓"; echo wrong >&2; exit 7\n')).toEqual({
      exitCode: 7,
      stdout: 'héllo ✓\n',
      stderr: 'wrong\n',
      ended: 'exit',
    });
  });

  test('the shell is the one of the first line, else sh', async () => {
    await guest.listen();
    expect((await run('#!/bin/bash\necho ${BASH_VERSION:+bash}\n')).stdout).toBe('bash\n');
    expect((await run('echo ${BASH_VERSION:-not-bash}\n')).stdout).toBe('not-bash\n');
  });

  test('variables and the working directory reach the script whatever they hold', async () => {
    await guest.listen();
    const hostile = `it's "$(id)" \`id\` \\ ; & é`;
    const result = await run('#!/bin/bash\nprintf "%s|%s" "$CASE" "$PWD"\n', {
      environment: { CASE: hostile },
      workingDirectory: '/var',
    });
    expect(result.stdout).toBe(`${hostile}|/var`);
  });

  test('what goes over the line is 7-bit and in lines of at most 512 characters', async () => {
    await guest.listen();
    await run(`# ${'ü'.repeat(3000)}\ntrue\n`);
    expect(guest.received.length).toBeGreaterThan(10);
    for (const line of guest.received) expect(line).toMatch(/^[\x20-\x7e]{1,512}$/);
    expect(guest.received.some((line) => /^RUN \S+ 30$/.test(line))).toBe(true);
  });

  test('a lot of output is cut at 24,000 characters', async () => {
    await guest.listen();
    const { stdout } = await run('head -c 200000 /dev/zero | tr "\\0" x\n');
    expect(stdout).toBe('x'.repeat(24_000));
  });

  test('a script that takes too long is killed', async () => {
    await guest.listen();
    const result = await run('echo s; sleep 60 & wait\n', { timeoutSeconds: 1 });
    expect(result).toEqual({ exitCode: 137, stdout: 's\n', stderr: '', ended: 'timeout' });
    expect(guest.received.at(-1)).toMatch(/^KILL /);
  });

  test('a script that the runner itself ended at its time-out is timed out too', async () => {
    await guest.listen();
    guest.endsScriptsItself = true;
    expect((await run('sleep 60\n', { timeoutSeconds: 2 })).ended).toBe('timeout');
    expect(guest.received.some((line) => line.startsWith('KILL '))).toBe(false);
  });

  test('a cancelled script is killed', async () => {
    await guest.listen();
    const stop = new AbortController();
    const result = run('echo s; sleep 60\n', { stop: stop.signal });
    await until('the script runs', () => guest.received.includes('.'));
    await sleep(200);
    stop.abort();
    expect(await result).toEqual({ exitCode: 137, stdout: 's\n', stderr: '', ended: 'cancel' });
  });

  test('scripts run side by side', async () => {
    await guest.listen();
    const results = await Promise.all(['a', 'b', 'c'].map((name) => run(`sleep 0.3; echo ${name}\n`)));
    expect(results.map((result) => result.stdout)).toEqual(['a\n', 'b\n', 'c\n']);
  });

  test('a script outlives a cut connection, and its end is heard after it', async () => {
    await guest.listen();
    const result = run('echo before; sleep 1; echo after\n');
    await until('the script runs', () => guest.received.includes('.'));
    await sleep(300);
    guest.drop();
    expect(await result).toEqual({ exitCode: 0, stdout: 'before\nafter\n', stderr: '', ended: 'exit' });
    expect(guest.received.filter((line) => line === 'HELLO').length).toBeGreaterThan(1);
  });

  test('closing ends what runs in the guest', async () => {
    await guest.listen();
    const result = run('sleep 60\n');
    await until('the script runs', () => guest.received.includes('.'));
    await executor.close();
    await until('KILL', () => guest.received.some((line) => line.startsWith('KILL ')));
    expect((await result).ended).toBe('cancel');
    await expect(run('true\n')).rejects.toThrow('closed');
  });
});

describe('lines that are no message of a runner', () => {
  test.each([
    '',
    'Debian GNU/Linux 12 guest ttyS1',
    'OUT',
    'OUT id not*base64',
    'EXIT id',
    'EXIT id seven',
    'EXIT id 12345',
    'READY !!!',
    `READY ${Buffer.from('only|two').toString('base64')}`,
    'OUT id YQ== trailing',
  ])('%j', (line) => {
    expect(parseRunnerLine(line)).toBeUndefined();
  });
});
