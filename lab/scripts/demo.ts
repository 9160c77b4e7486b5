/**
 * npm run demo: the main job on one machine, from a GuardDuty finding to a closed case.
 *   --interactive   leaves the decision to you (Temporal UI or CLI) and the lab up
 *   --keep-lab      leaves the lab up afterwards
 */
import { BUNDLE_FILES, EVIDENCE_KINDS } from '../../domain/custody/bundle';
import { fetchBundle } from '../../starters/export/fetch-bundle';
import { verdictText } from '../../starters/verify/verdict-text';
import { verifyBundle } from '../../starters/verify/verify-bundle';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import type { CaseOutcome } from '../../domain/outcome';
import { approvalCard, caseText } from '../../starters/cli/case-text';
import { caseView } from '../../starters/cli/case-lookup';
import { bytes, printable } from '../../starters/cli/output';
import { type Progress, progressOf } from '../../starters/cli/progress';
import { caseRequestFrom } from '../../starters/intake';
import { startCase } from '../../starters/start-case';
import { connectToTemporal } from '../../starters/temporal-client';
import { fetchEvidence, openEvidenceObject } from '../../starters/cli/evidence-objects';
import { type CaseView, MESSAGES } from '../../workflows/contract/messages';
import type { Decision } from '../../domain/checkpoint';
import { labConfig, PROJECT_ROOT } from '../config';
import { labDown } from '../lab';
import { judgeCase } from '../scenarios/judge-case';
import type { PlantingReport } from '../scenarios/plant';
import { loadScenario } from '../scenarios/scenario';
import { labUpWithSeed } from '../up';
import { parse as parseEnvironment } from 'dotenv';

const say = (text: string): void => void process.stdout.write(`${printable(text)}\n`);

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { interactive: { type: 'boolean' }, 'keep-lab': { type: 'boolean' } } });
  const interactive = values.interactive === true;
  const config = labConfig();
  const startedAt = Date.now();
  const lab = await labUpWithSeed({ config, suspect: true, quiet: false });
  try {
    Object.assign(process.env, parseEnvironment(readFileSync(lab.environmentFile)));
    const { suspect } = lab;
    if (!suspect)
      throw new Error(
        'a lab without a suspect is running: stop it (npm run -s forensics -- lab down) and start the demo again',
      );
    const setUpSeconds = (Date.now() - startedAt) / 1000;
    say(`\nThe lab is up after ${setUpSeconds.toFixed(0)} s. Temporal UI: ${lab.temporalUi}`);
    if (suspect.kind === 'fixture') {
      say(`FIXTURE MODE: the suspect's memory is a recorded image, not a running machine (${lab.suspectNote ?? ''})`);
    }
    const client = await connectToTemporal();
    const event = JSON.parse(readFileSync(suspect.findingFile, 'utf8')) as unknown;
    const request = caseRequestFrom(event, new Date().toISOString());
    say(`\nGuardDuty reports on ${suspect.instanceId}: ${request.finding.type}\n  ${request.finding.title}`);
    const started = await startCase(client, request);
    const handle = client.workflow.getHandle(started.workflowId, started.runId);
    const uiLink = `${lab.temporalUi}/namespaces/default/workflows/${encodeURIComponent(started.workflowId)}/${started.runId}`;
    say(`Case workflow: ${uiLink}\n`);

    const caseStartedAt = Date.now();
    const view = await follow(
      client,
      async () => caseView(client, handle),
      async (current) => {
        say(`\n${approvalCard(current, 'isolation')}\n`);
        if (interactive) {
          const state = current.checkpoints.isolation;
          const hash = state.state === 'open' ? state.planHash : '';
          say(
            `Your decision, please. In the Temporal UI: open the link above, "More Actions", "Send a Signal", choose approve, and give`,
          );
          say(
            `  ${JSON.stringify({ checkpoint: 'isolation', approver: 'your name', reason: 'why', planHash: hash })}\n`,
          );
          return;
        }
        say('The demo approves by itself now (run it with --interactive to decide yourself).\n');
        const decision: Decision = {
          checkpoint: 'isolation',
          verdict: 'approve',
          approver: 'demo',
          reason: 'the demo says yes',
        };
        await handle.executeUpdate(MESSAGES.decide, { args: [decision] });
      },
    );
    const outcome = (await handle.result()) as CaseOutcome;
    const caseSeconds = (Date.now() - caseStartedAt) / 1000;
    await writeResults(outcome, uiLink);
    say(`\n${caseText(view)}\n`);
    const missed = lab.planted ? await tellPlanted(lab.planted, outcome, suspect.volumeIds[0] ?? '') : 0;
    const folder = path.join(PROJECT_ROOT, 'demo-output');
    say(`The case closed ${outcome.outcome} in ${caseSeconds.toFixed(0)} s (set-up ${setUpSeconds.toFixed(0)} s).`);
    say(`Report   ${path.join(folder, outcome.caseId, 'report.html')}\nSummary  ${path.join(folder, 'summary.json')}`);
    const holds = await tellBundle(outcome, path.join(folder, outcome.caseId, 'bundle'));
    await client.connection.close();
    if (outcome.outcome !== 'complete' || missed > 0 || !holds) process.exitCode = 1;
  } finally {
    if (interactive || values['keep-lab']) {
      say(
        `\nThe lab stays up. Temporal UI: ${lab.temporalUi}\n  npm run -s forensics -- list\n  npm run -s forensics -- lab down`,
      );
    } else {
      await labDown(config);
      await rm(lab.environmentFile, { force: true });
    }
  }
}

/** Takes the sealed bundle along, all evidence but the disks with it, and has it verified. Returns whether it holds. */
async function tellBundle({ seal }: CaseOutcome, folder: string): Promise<boolean> {
  if (!seal) {
    say('The case was not sealed: there is no bundle.');
    return false;
  }
  await fetchBundle(seal, folder, EVIDENCE_KINDS);
  say(`Bundle   ${folder}, to be checked by anybody: node ${path.join(folder, BUNDLE_FILES.verifier)} ${folder}\n`);
  const verdict = await verifyBundle(folder);
  say(verdictText(verdict, {}));
  return verdict.holds;
}

/** What of the planted traces the case found. Returns how many it missed. */
async function tellPlanted(planted: PlantingReport, outcome: CaseOutcome, rootVolumeId: string): Promise<number> {
  const scenario = await loadScenario(planted.scenario);
  const { traces } = await judgeCase(scenario, outcome, rootVolumeId, openEvidenceObject, planted);
  const missed = traces.filter((trace) => trace.outcome !== 'found');
  say(`Planted on the running suspect and found: ${traces.length - missed.length} of ${traces.length} traces`);
  for (const { trace, outcome: how, reasons } of missed) say(`  ${how.toUpperCase()} ${trace}: ${reasons.join('; ')}`);
  return missed.length;
}

/** Shows what is in progress until the case is closed; calls `decide` once when it waits for consent to the isolation. */
async function follow(
  client: Client,
  look: () => Promise<CaseView>,
  decide: (view: CaseView) => Promise<void>,
): Promise<CaseView> {
  const screen = process.stdout.isTTY ? barScreen() : lineScreen();
  let asked = false;
  for (;;) {
    const view = await look();
    screen.show(view, await progressOf(client, view));
    if (!asked && view.checkpoints.isolation.state === 'open') {
      asked = true;
      screen.pause();
      await decide(view);
    }
    if (view.status === 'closed') {
      screen.pause();
      return view;
    }
    await sleep(500);
  }
}

interface Screen {
  show(view: CaseView, progress: Progress[]): void;
  pause(): void;
}

/** What has ended so far, one sentence each. */
function ended(view: CaseView): string[] {
  return [
    ...view.phases.filter((phase) => phase.outcome !== 'running').map((phase) => `${phase.name}: ${phase.outcome}`),
    ...view.exhibits.map(
      (exhibit) => `${exhibit.id} acquired: ${bytes(exhibit.sizeBytes)}, SHA-256 ${exhibit.sha256.slice(0, 16)}…`,
    ),
    ...view.missing.map((missing) => `${missing.id} NOT acquired: ${missing.reason}`),
    ...view.examinations.map((one) => `${one.exhibit} examined: ${one.outcome}, ${one.findings.length} finding(s)`),
  ];
}

/** For logs: a line when something starts or ends. */
function lineScreen(): Screen {
  const said = new Set<string>();
  return {
    show(view) {
      for (const line of [...view.inProgress, ...ended(view)]) {
        if (!said.has(line)) say(`  ${line}`);
        said.add(line);
      }
    },
    pause: () => undefined,
  };
}

/** For a terminal: a bar for each piece of work that runs, a line for each that has ended. */
function barScreen(): Screen {
  const said = new Set<string>();
  const startedAt = new Map<string, number>();
  let bars = new Map<string, SingleBar>();
  let screen: MultiBar | undefined;
  return {
    show(view, progress) {
      screen ??= new MultiBar(
        {
          format: '  {bar} {seconds} s  {what}  {note}',
          barsize: 20,
          clearOnComplete: true,
          hideCursor: true,
          stopOnComplete: false,
        },
        Presets.shades_classic,
      );
      const running = new Map(progress.map((one) => [`${one.step} of ${one.exhibit}`, one]));
      for (const [what, bar] of bars) {
        if (running.has(what)) continue;
        screen.remove(bar);
        bars.delete(what);
      }
      for (const line of ended(view)) {
        if (!said.has(line)) screen.log(`  ${printable(line)}\n`);
        said.add(line);
      }
      for (const [what, { fraction, note }] of running) {
        if (!startedAt.has(what)) startedAt.set(what, Date.now());
        const seconds = Math.round((Date.now() - (startedAt.get(what) ?? 0)) / 1000);
        const shown = { what, note: printable(note), seconds };
        const bar = bars.get(what) ?? screen.create(100, 0, shown);
        bars.set(what, bar);
        // A bar stays empty where nobody knows how far the work is.
        bar.update(Math.round((fraction ?? 0) * 100), shown);
      }
    },
    pause() {
      screen?.stop();
      screen = undefined;
      bars = new Map();
    },
  };
}

async function writeResults(outcome: CaseOutcome, temporalUi: string): Promise<void> {
  const folder = path.join(PROJECT_ROOT, 'demo-output');
  await mkdir(path.join(folder, outcome.caseId), { recursive: true });
  const report = path.join(folder, outcome.caseId, 'report.html');
  if (outcome.report) await fetchEvidence(outcome.report, report);
  const summary = {
    caseId: outcome.caseId,
    workflowId: outcome.workflowId,
    outcome: outcome.outcome,
    phases: outcome.phases.map(({ name, startedAt, endedAt, outcome: how }) => ({
      name,
      startedAt,
      endedAt,
      outcome: how,
    })),
    exhibits: outcome.exhibits.map(({ id, kind, source, sha256, sizeBytes, location }) => ({
      id,
      kind,
      source,
      sha256,
      sizeBytes,
      location,
    })),
    findings: outcome.examinations.flatMap((examination) =>
      examination.findings.map(({ id, severity, title, evidence }) => ({
        id,
        severity,
        title,
        exhibit: evidence.exhibit,
      })),
    ),
    report,
    temporalUi,
  };
  await writeFile(path.join(folder, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`demo: ${printable(error instanceof Error ? error.message : String(error))}\n`);
  if (process.env.DEBUG) console.error(error);
  process.exitCode = 1;
});
