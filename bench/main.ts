import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { type BenchLab, startBenchLab } from './bench-lab';
import { blockReaderText, measureBlockReader } from './block-reader';
import { footprintText, measureFootprint } from './lab-footprint';
import { machineFacts } from './machine';
import { type CaseMeasurement, measureCase } from './measure-case';
import { type BenchResult, report } from './report';
import { DURATIONS, type Mode } from './durations';
import { encryptionsOf } from './suspects';

const MOST_VOLUMES = 5;

const USAGE = `npm run bench -- [--volumes 1,4] [--runs 1] [--durations zero|realistic] [--json FILE]
npm run bench -- --lab-footprint [--json FILE]
npm run bench -- --block-reader [--json FILE]
  --volumes    numbers of volumes of the suspect, 1 to ${MOST_VOLUMES}, separated by commas
  --runs       how often each case is run
  --durations  zero: AWS and tools take no time; realistic: they take seconds. Default: both
  --json       also writes every measurement to FILE
  --lab-footprint  memory and disk of a lab with one guest, one sandbox and 1,000 paper instances
  --block-reader   throughput and memory of the reading and hashing of disks, against sha256sum`;

export async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (!options) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  if (options.labFootprint) {
    const footprint = await measureFootprint();
    if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(footprint, null, 1)}\n`);
    process.stdout.write(`${footprintText(footprint)}\n`);
    return 0;
  }
  if (options.blockReader) {
    const measured = await measureBlockReader();
    if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(measured, null, 1)}\n`);
    process.stdout.write(`${blockReaderText(measured)}\n`);
    return 0;
  }
  const result: BenchResult = {
    at: new Date().toISOString(),
    machine: machineFacts(),
    cases: [],
    containment: [],
  };
  for (const mode of options.modes) await runMode(mode, options, result);
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(result, null, 1)}\n`);
  process.stdout.write(`${report(result)}\n`);
  return 0;
}

async function runMode(mode: Mode, options: Options, result: BenchResult): Promise<void> {
  const starting = startBenchLab(DURATIONS[mode]);
  // The lab's servers are process groups of their own: a Ctrl-C in the terminal does not reach them.
  let stopping = false;
  const interrupted = (): void => {
    // npm, the shell and bootstrap.cjs may each pass the same signal on.
    if (stopping) return;
    stopping = true;
    void starting.then((started) => started.stop()).finally(() => process.exit(130));
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, interrupted);
  const lab = await starting;
  try {
    result.machine.temporalServer = await serverVersion(lab);
    if (mode === 'zero') {
      // A worker lives for weeks: its first case loads code and opens connections once, and is not measured.
      process.stderr.write(`${mode}: first case of the worker, not measured\n`);
      await measureCase(lab, encryptionsOf(1));
    }
    for (const volumes of options.volumes) {
      const runs: CaseMeasurement[] = [];
      for (let run = 1; run <= options.runs; run += 1) {
        process.stderr.write(`${mode}: case with ${volumes} volume(s), run ${run} of ${options.runs}\n`);
        runs.push(await measureCase(lab, encryptionsOf(volumes)));
      }
      result.cases.push({ mode, volumes, runs });
    }
    if (mode !== options.modes[0]) return;
    await lab.isolateWhen('before-acquisition');
    for (let run = 1; run <= options.runs; run += 1) {
      process.stderr.write(`${mode}: containment before acquisition, run ${run} of ${options.runs}\n`);
      result.containment.push(await measureCase(lab, encryptionsOf(1), 'before-acquisition'));
    }
  } finally {
    for (const signal of signals) process.off(signal, interrupted);
    await lab.stop();
  }
}

async function serverVersion(lab: BenchLab): Promise<string> {
  const { serverVersion: version } = await lab.client.connection.workflowService.getSystemInfo({});
  return version;
}

interface Options {
  labFootprint: boolean;
  blockReader: boolean;
  volumes: number[];
  runs: number;
  modes: Mode[];
  json?: string;
}

/** Undefined when help is asked for. @throws Error that says which option is wrong */
export function readOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    options: {
      volumes: { type: 'string', default: '1,4' },
      runs: { type: 'string', default: '1' },
      durations: { type: 'string' },
      json: { type: 'string' },
      'lab-footprint': { type: 'boolean', default: false },
      'block-reader': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const volumes = values.volumes.split(',').map((text) => wholeNumber('--volumes', text, MOST_VOLUMES));
  const { durations, json } = values;
  if (durations !== undefined && durations !== 'zero' && durations !== 'realistic')
    throw new Error(`--durations ${durations}: give zero or realistic`);
  return {
    labFootprint: values['lab-footprint'],
    blockReader: values['block-reader'],
    volumes,
    runs: wholeNumber('--runs', values.runs, 100),
    modes: durations === undefined ? ['zero', 'realistic'] : [durations],
    ...(json !== undefined && { json }),
  };
}

function wholeNumber(option: string, text: string, most: number): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > most)
    throw new Error(`${option} ${text}: give whole numbers from 1 to ${most}`);
  return number;
}
