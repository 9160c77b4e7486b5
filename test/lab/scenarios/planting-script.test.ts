import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { loginRecord } from '../../../lab/scenarios/login-record';
import { plant } from '../../../lab/scenarios/plant';
import { compilePlantedProgram } from '../../../lab/scenarios/planted-program';
import { plantingScript } from '../../../lab/scenarios/planting-script';
import { loadScenario, readScenario, type Scenario } from '../../../lab/scenarios/scenario';

const functions = readFileSync(path.join(__dirname, '../../../lab/scenarios/planting.sh'), 'utf8');
const now = new Date('2026-02-17T03:00:00Z');
const render = (scenario: Scenario) => plantingScript(scenario, { functions, now, program: Buffer.from('program') });

function scenarioOf(...traces: object[]): Scenario {
  return readScenario(JSON.stringify({ name: 'mine', summary: 'Mine.', traces }), 'mine.yaml');
}

describe('the script of a scenario', () => {
  it.each(['intrusion', 'clean'])('is correct shell, and the same for the same input: %s', async (name) => {
    const scenario = await loadScenario(name);
    const script = render(scenario);
    expect(render(scenario)).toBe(script);
    expect(script.startsWith('#!/bin/bash\n')).toBe(true);
    expect(spawnSync('bash', ['-n'], { input: script, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
    const checked = spawnSync('shellcheck', ['-'], { input: script, encoding: 'utf8' });
    if (checked.error)
      process.stderr.write('planting script: checked with bash -n only; shellcheck is not installed\n');
    else expect(checked.stdout).toBe('');
  });

  it('has the times that the scenario says, counted from planting, in UTC', () => {
    const log = { id: 'log', tells: 'it', plant: 'log-lines', file: '/var/log/x', program: 'cron' };
    const script = render(scenarioOf({ ...log, at: '-50m', every: '20s', lines: ['first', 'second'] }));
    expect(script).toContain("'Feb 17 02:10:00 @HOST@ cron[2100]: first\nFeb 17 02:10:20 @HOST@ cron[2101]: second'");
  });

  it('runs nothing of what a scenario holds: it is quoted, whatever it is', () => {
    const hostile = `'; touch /tmp/ran; echo '$(touch /tmp/ran)\`touch /tmp/ran\``;
    const script = render(
      scenarioOf({ id: 'log', tells: 'it', plant: 'log-lines', file: '/var/log/x', program: 'x', lines: [hostile] }),
    );
    const call = script.slice(script.lastIndexOf('\nplant log '));
    const shown = spawnSync('bash', ['-c', `plant() { printf '%s' "\${@: -1}"; }; ${call}`], { encoding: 'utf8' });
    expect(shown.stdout).toMatch(/^Feb 17 03:00:00 @HOST@ x\[2100\]: /);
    expect(shown.stdout.endsWith(hostile)).toBe(true);
  });

  it('is refused where Run Command could not carry it', () => {
    const file = { id: 'f', tells: 'it', plant: 'file', path: '/x', mode: '644' };
    const files = [1, 2, 3, 4].map((number) => ({ ...file, id: `f${number}`, content: 'x'.repeat(20_000) }));
    expect(() => render(scenarioOf(...files))).toThrow(/is too long: \d+ of 60000 characters/);
    expect(() => render(scenarioOf({ ...file, content: '{{ X }}' }))).toThrow('which Run Command replaces');
  });
});

describe('planting', () => {
  const answer =
    (exitCode: number, stdout: string, stderr = '') =>
    () =>
      Promise.resolve({ exitCode, stdout, stderr });
  const trace = { id: 'one', tells: 'it', plant: 'emptied-log', path: '/var/log/x' };
  const scenario = scenarioOf(trace, { ...trace, id: 'two' });

  it('reports each trace, and why one was left out', async () => {
    const report = await plant(scenario, answer(0, 'planted\tone\nleft-out\ttwo\tno journal\n'));
    expect(report).toEqual({
      scenario: 'mine',
      traces: [
        { id: 'one', outcome: 'planted' },
        { id: 'two', outcome: 'left-out', reason: 'no journal' },
      ],
    });
  });

  it('fails with the trace that it broke off at', async () => {
    await expect(plant(scenario, answer(1, 'planted\tone\n', 'disk full\n'))).rejects.toThrow(
      'planting mine ended with status 1 at the trace "two": disk full',
    );
  });

  it('fails where the script says less than it should', async () => {
    await expect(plant(scenario, answer(0, 'planted\tone\n'))).rejects.toThrow('at the trace "two"');
  });
});

describe('the planted program', () => {
  it('is small enough to travel in the script', async () => {
    expect((await compilePlantedProgram()).length).toBeLessThan(30_000);
  });

  it('takes a compiler, and says so', async () => {
    await expect(compilePlantedProgram({ PATH: '/nonexistent' })).rejects.toThrow('apt-get install gcc');
  });
});

test('a record of wtmp lies as utmp(5) has it', () => {
  const record = loginRecord({ kind: 'login', pid: 7, terminal: 'pts/0', user: 'a', from: '10.0.0.1', time: 99 });
  expect(record).toHaveLength(384);
  expect([record.readInt16LE(0), record.readInt32LE(4), record.readInt32LE(340)]).toEqual([7, 7, 99]);
  expect(record.toString('latin1', 8, 13) + record.toString('latin1', 40, 44)).toBe('pts/0ts/0');
  expect([...record.subarray(348, 352)]).toEqual([10, 0, 0, 1]);
});
