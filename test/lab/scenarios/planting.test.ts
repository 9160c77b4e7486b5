import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { TimelineRules } from '../../../domain/findings-from-timeline';
import { judgeScenario, type TraceJudgement } from '../../../lab/scenarios/expected-findings';
import { plant, type PlantingReport } from '../../../lab/scenarios/plant';
import { loadScenario, type Scenario } from '../../../lab/scenarios/scenario';
import { forensicTools } from '../../ssm-documents/forensic-tools';
import { missingForPlanting, openPlantingPlace, type PlantingPlace } from './planting-place';

/** plaso takes seconds, more when the machine is busy. */
const PATIENCE = 300_000;

/** Stands for the beacon's server: takes one session, and answers each line. */
const ANSWERING_SERVER = `#!/bin/bash
python3 - <<'PYTHON'
import os, socket
server = socket.create_server(("203.0.113.66", 443))
if os.fork(): os._exit(0)
os.setsid()
for stream in range(3): os.close(stream)
session, _ = server.accept()
while line := session.recv(100): session.send(b"ok\\n")
PYTHON
`;

/** The part of the disk where traces lie, as an image. */
const MAKE_IMAGE = `#!/bin/bash
set -eu
mkdir /planting/tree
cp -a --parents /etc/cron.d /etc/systemd/system /etc/passwd /etc/shadow /var/log /root /usr/local/sbin /planting/tree
mke2fs -q -t ext4 -d /planting/tree /planting/disk.img 64M
`;

/** The timeline of the place's disk. */
async function timelineOf(place: PlantingPlace): Promise<string[]> {
  expect(await place.runScript(MAKE_IMAGE)).toMatchObject({ exitCode: 0 });
  const tool = (name: string, ...args: string[]): void => {
    execFileSync(path.join(forensicTools(), name), ['-u', '--status_view', 'none', ...args], {
      cwd: place.folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  };
  const parsers = ['--single_process', '--parsers', 'linux', '-z', 'UTC'];
  tool('log2timeline', ...parsers, '--storage_file', 'disk.plaso', 'disk.img');
  tool('psort', '-q', '-o', 'json_line', '-w', 'timeline.jsonl', 'disk.plaso');
  return readFileSync(path.join(place.folder, 'timeline.jsonl'), 'utf8').trimEnd().split('\n');
}

function judgeDisk(scenario: Scenario, timeline: string[], report: PlantingReport) {
  const rules = new TimelineRules('disk');
  for (const line of timeline) rules.add(JSON.parse(line));
  return judgeScenario(scenario, { timeline, findings: rules.findings() }, report);
}

const outcomes = (traces: readonly TraceJudgement[]) =>
  Object.fromEntries(traces.map(({ trace, outcome, reasons }) => [trace, [outcome, ...reasons].join(': ')]));

describe('on an instance', () => {
  const missing = missingForPlanting();
  if (missing !== undefined) {
    process.stderr.write(`scenarios: not planted for real; ${missing}\n`);
    it('a scenario cannot be planted for real here, and why is said', () => expect(missing).toMatch(/takes|missing/));
    return;
  }
  let place: PlantingPlace;
  afterEach(() => place.close());

  it(
    'the intrusion is planted once, runs as told, and each of its traces on the disk is found by plaso and the rules',
    async () => {
      place = await openPlantingPlace();
      const scenario = await loadScenario('intrusion');
      expect(await place.runScript(ANSWERING_SERVER)).toMatchObject({ exitCode: 0 });
      const report = await plant(scenario, place.runScript);
      const noJournal = { id: 'journal', outcome: 'left-out', reason: 'no systemd journal runs here' };
      expect(report.traces.filter(({ outcome }) => outcome !== 'planted')).toEqual([noJournal]);

      const inspect = async (script: string) => (await place.runScript(`#!/bin/bash\n${script}`)).stdout;
      const files =
        'sha256sum /var/log/auth.log /etc/passwd /etc/shadow /root/.ssh/* /root/.bash_history; pgrep -c kworker-evil';
      const before = await inspect(files);
      expect(await plant(scenario, place.runScript)).toEqual(report);
      expect(await inspect(files)).toBe(before);

      const running = await inspect(
        'pid=$(pgrep kworker-evil); readlink /proc/$pid/exe; grep -c "rwxp 00000000 00:00 0" /proc/$pid/maps; ' +
          'tr "\\0" "\\n" </proc/$pid/environ; tr "\\0" " " </proc/$pid/cmdline; grep ":115C .* 0A " /proc/net/tcp; ' +
          'shell=$(pgrep -f -- "--noprofile --norc -i"); tr "\\0" "\\n" </proc/$shell/environ',
      );
      expect(running).toMatch(/^\/tmp\/\.X11-cache \(deleted\)\n1\n/);
      expect(running).toContain('C2_HOST=203.0.113.66\nC2_TOKEN=planted-token-7f3a\n');
      expect(running).toContain('--listen 4444 --beacon 203.0.113.66:443');
      expect(running).toContain('00000000:115C');
      expect(running).toContain('HISTFILE=/dev/null');
      // What the open shell has in its history did not run: no file came from it.
      expect(await inspect('cat /etc/cron.d/sysupd; ls -A /tmp')).toBe(
        '* * * * * root /usr/local/sbin/.sysupd >/dev/null 2>&1\n',
      );

      const { traces, unexpected } = judgeDisk(scenario, await timelineOf(place), report);
      const onDisk = traces.filter(({ trace }) => !['open-shell', 'implant', 'beacon', 'journal'].includes(trace));
      expect(onDisk.length).toBe(scenario.traces.length - 4);
      expect(outcomes(onDisk)).toEqual(Object.fromEntries(onDisk.map(({ trace }) => [trace, 'found'])));
      expect(unexpected).toEqual([]);

      // Without the mark of a lab instance the program ends by itself.
      const ended = 'rm /run/lab-instance; for try in {1..300}; do pgrep -c kworker-evil || break; sleep 0.2; done';
      expect((await inspect(ended)).trimEnd().split('\n').at(-1)).toBe('0');
    },
    PATIENCE,
  );

  it(
    'ordinary administration is in the timeline, and no finding is made of it',
    async () => {
      place = await openPlantingPlace();
      const scenario = await loadScenario('clean');
      const report = await plant(scenario, place.runScript);
      const { traces, unexpected } = judgeDisk(scenario, await timelineOf(place), report);
      const onDisk = traces.filter(({ trace }) => trace !== 'open-shell');
      expect(outcomes(onDisk)).toEqual(Object.fromEntries(onDisk.map(({ trace }) => [trace, 'found'])));
      expect(unexpected).toEqual([]);
    },
    PATIENCE,
  );

  it('nothing is planted where the mark of a lab instance is missing', async () => {
    place = await openPlantingPlace({ isLabInstance: false });
    const changed = async () =>
      (await place.runScript('#!/bin/bash\nsha256sum /etc/passwd; ls -AR /var/log /tmp /root /run /etc/cron.d')).stdout;
    const before = await changed();
    await expect(plant(await loadScenario('intrusion'), place.runScript)).rejects.toThrow(
      'Nothing was planted: there is no /run/lab-instance, so this is no instance of the lab.',
    );
    expect(await changed()).toBe(before);
  });
});
