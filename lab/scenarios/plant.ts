import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { compilePlantedProgram } from './planted-program';
import { plantingScript } from './planting-script';
import type { Scenario } from './scenario';

const FUNCTIONS = path.join(__dirname, 'planting.sh');
/** How planting.sh ends on a machine that is no instance of the lab. */
const NO_LAB_INSTANCE = 77;
const REPORT_LINE = /^(planted|left-out)\t([^\t]+)(?:\t(.*))?$/;

/** Runs a script on the instance, as root, to its end. */
export type RunScript = (script: string) => Promise<{ exitCode: number; stdout: string; stderr: string }>;

export interface PlantedTrace {
  /** Of the trace in the scenario. */
  id: string;
  outcome: 'planted' | 'left-out';
  /** Why it was left out. */
  reason?: string;
}

export interface PlantingReport {
  scenario: string;
  traces: PlantedTrace[];
}

/**
 * Plants a scenario on a running instance of the lab. Again on the same instance it changes nothing and reports the same.
 * @throws Error it is no instance of the lab, or a trace could not be planted (those before it are)
 */
export async function plant(
  scenario: Scenario,
  runScript: RunScript,
  { now = new Date() }: { now?: Date } = {},
): Promise<PlantingReport> {
  const functions = await readFile(FUNCTIONS, 'utf8');
  const hasProgram = scenario.traces.some((trace) => trace.plant === 'program');
  const program = hasProgram ? { program: gzipSync(await compilePlantedProgram(), { level: 9 }) } : {};
  const { exitCode, stdout, stderr } = await runScript(plantingScript(scenario, { functions, now, ...program }));
  const said = stderr.trim().split('\n').slice(-3).join(' / ');
  if (exitCode === NO_LAB_INSTANCE) throw new Error(said);
  const traces = stdout.split('\n').flatMap((line): PlantedTrace[] => {
    const [, outcome, id, reason] = REPORT_LINE.exec(line) ?? [];
    if (outcome === undefined || id === undefined) return [];
    return [outcome === 'planted' ? { id, outcome } : { id, outcome: 'left-out', reason: reason ?? '' }];
  });
  const missing = scenario.traces.find(({ id }) => traces.every((trace) => trace.id !== id));
  if (exitCode !== 0 || missing) {
    const where = missing ? ` at the trace "${missing.id}"` : '';
    throw new Error(`planting ${scenario.name} ended with status ${exitCode}${where}: ${said}`);
  }
  return { scenario: scenario.name, traces };
}
