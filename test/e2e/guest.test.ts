/** A case on a running machine: planted while it runs, acquired from its memory and its root volume, cut off by packets. */
import type { WorkflowHandle } from '@temporalio/client';
import type { CaseOutcome } from '../../domain/outcome';
import { labConfig } from '../../lab/config';
import { judgeCase } from '../../lab/scenarios/judge-case';
import { plant, type PlantingReport } from '../../lab/scenarios/plant';
import { loadScenario } from '../../lab/scenarios/scenario';
import { runScript } from '../../lab/seed/run-script';
import type { Suspect } from '../../lab/seed/suspect';
import { silentProgress } from '../../lab/setup/setup-progress';
import { suspectParts } from '../../lab/suspect-kind';
import { openEvidenceObject } from '../../starters/cli/evidence-objects';
import { goesOn, isSilent } from './beacon-session';
import { decide, outcomeOf, startTestLab, type TestLab, until } from './support';

// A machine under software emulation, with everything else on the same processors.
jest.setTimeout(1_200_000);

let lab: TestLab | undefined;
let why: string | undefined;
let suspect: Suspect;
let handle: WorkflowHandle;
let planted: PlantingReport;
let outcome: CaseOutcome;
const before = { ...process.env };

beforeAll(async () => {
  const parts = await suspectParts(labConfig().cacheFolder, silentProgress);
  if (parts.kind !== 'guest') {
    why = parts.note;
    return;
  }
  lab = await startTestLab(undefined, parts);
  const { member, environment } = lab.deployment;
  Object.assign(process.env, environment);
  suspect = await lab.launch();
  planted = await plant(await loadScenario('intrusion'), (script) =>
    runScript(member, suspect.instanceId, script, 600),
  );
  handle = await lab.openCase(suspect);
});
afterAll(async () => {
  process.env = before;
  await lab?.stop();
});

/** Without QEMU there is no machine; the test says so instead of passing for one that ran. */
const onMachine = (name: string, run: (lab: TestLab) => Promise<void>): void => {
  test(name, async () => {
    if (lab) await run(lab);
    else expect(why).toMatch(/\S/);
  });
};

onMachine('the session of the planted program passes bytes until the isolation, and not one after it', async (lab) => {
  expect(await goesOn(lab, suspect)).toBe(true);
  await until(handle, 'the isolation checkpoint open', (now) => now.checkpoints.isolation.state === 'open', 600);
  expect(await goesOn(lab, suspect)).toBe(true);
  await decide(handle);
  await until(
    handle,
    'the containment ended',
    (now) => now.phases.some((phase) => phase.name === 'containment' && phase.outcome === 'succeeded'),
    900,
  );
  expect(await isSilent(lab, suspect)).toBe(true);
});

onMachine('the case closes complete, with memory by AVML and three disks', async () => {
  outcome = await outcomeOf(handle, 900);
  expect({ outcome: outcome.outcome, reasons: outcome.reasons }).toEqual({ outcome: 'complete', reasons: [] });
  expect(outcome.exhibits.find(({ kind }) => kind === 'memory')?.tool).toMatchObject({ name: 'avml' });
  expect(outcome.exhibits.filter(({ kind }) => kind === 'disk')).toHaveLength(3);
});

onMachine('Volatility and plaso find every trace that was planted', async () => {
  const { traces } = await judgeCase(
    await loadScenario('intrusion'),
    outcome,
    suspect.volumeIds[0] ?? '',
    openEvidenceObject,
    planted,
  );
  expect(traces.filter((trace) => trace.outcome !== 'found')).toEqual([]);
  expect(traces.length).toBeGreaterThan(10);
});
