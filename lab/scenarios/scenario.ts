import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { SEVERITIES } from '../../domain/finding';

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
const MOST_HOURS = 24;

/** One line of text: what a log line or a command is. */
const line = z
  .string()
  .min(1)
  .max(1000)
  .regex(/^\P{Cc}*$/u, 'is one line without control characters');
const name = z
  .string()
  .max(64)
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_-]*$/, 'has letters, digits, _ and - only');
const absolutePath = z
  .string()
  .max(500)
  .regex(/^(\/[A-Za-z0-9._@+-]+)+$/, 'is an absolute path of letters, digits and . _ @ + -')
  .refine((text) => !text.split('/').includes('..'), 'has no ".." in it');
const address = z.ipv4();
const port = z.int().min(1).max(65_535);
/** `20s`, `5m`, `2h`, `1d`; as seconds. */
const duration = z
  .string()
  .regex(/^\d{1,5}[smhd]$/, 'is a number with s, m, h or d, such as 20s')
  .transform((text) => Number(text.slice(0, -1)) * SECONDS[text.slice(-1) as keyof typeof SECONDS]);
/** `-50m`: that long before planting; as seconds. */
const ago = z
  .string()
  .regex(/^-\d{1,5}[smhd]$/, 'is a time before planting, such as -50m')
  .transform((text) => duration.parse(text.slice(1)));

const expectation = z.union(
  [
    z.strictObject({
      /** Parser of plaso, as `--parsers` names it. */
      timeline: z.string().min(1),
      text: z.string().min(1),
    }),
    z.strictObject({
      /** Plugin of Volatility 3. */
      memory: z.string().min(1),
      text: z.string().min(1),
    }),
    z.strictObject({
      /** Rule of the product, as it stands in a finding's id. */
      finding: name,
      severity: z.enum(SEVERITIES).optional(),
      text: z.string().min(1).optional(),
    }),
  ],
  {
    error: 'is {timeline: PARSER, text}, {memory: PLUGIN, text} or {finding: RULE, severity?, text?}',
  },
);

const common = {
  id: name,
  /** What it tells, for people. */
  tells: z.string().min(1),
  /** What an examination has to show of it. All of it must be there. */
  expect: z.array(expectation).default([]),
};

/** Of what may be dated back. The journal stamps what it is given itself, and processes run from now on. */
const dated = {
  ...common,
  /** Seconds before planting at which it is to have happened; 0: now. */
  at: ago.default(0),
};

const trace = z.discriminatedUnion(
  'plant',
  [
    z.strictObject({
      ...dated,
      plant: z.literal('failed-log-ins'),
      users: z.array(name).min(1).max(200),
      from: address,
      every: duration.default(20),
    }),
    z.strictObject({
      ...dated,
      plant: z.literal('log-in'),
      user: name,
      method: z.enum(['password', 'publickey']),
      from: address,
      /** Seconds until the log-out. */
      lasts: duration.default(600),
    }),
    z.strictObject({
      ...dated,
      plant: z.literal('log-lines'),
      file: absolutePath,
      program: name,
      lines: z.array(line).min(1),
      every: duration.default(1),
    }),
    z.strictObject({
      ...common,
      plant: z.literal('journal-lines'),
      program: name,
      lines: z.array(line).min(1),
    }),
    z.strictObject({ ...dated, plant: z.literal('authorized-key'), user: name, comment: line }),
    z.strictObject({
      ...dated,
      plant: z.literal('file'),
      path: absolutePath,
      mode: z.string().regex(/^[0-7]{3}$/, 'is three octal digits, such as 755'),
      content: z.string().max(20_000),
    }),
    z.strictObject({
      ...dated,
      plant: z.literal('cron-entry'),
      name,
      schedule: z.string().regex(/^(\S+ ){4}\S+$/, 'is the five fields of crontab(5)'),
      user: name,
      command: line,
    }),
    z.strictObject({ ...dated, plant: z.literal('systemd-unit'), name, description: line, command: line }),
    z.strictObject({
      ...dated,
      plant: z.literal('account'),
      name,
      uid: z.int().min(0).max(60_000),
      shell: absolutePath,
    }),
    z.strictObject({
      ...dated,
      plant: z.literal('shell-history'),
      user: name,
      commands: z.array(line).min(1),
      every: duration.default(10),
    }),
    z.strictObject({ ...dated, plant: z.literal('emptied-log'), path: absolutePath }),
    z.strictObject({
      ...common,
      plant: z.literal('open-shell'),
      commands: z.array(line).min(1),
    }),
    z.strictObject({
      ...common,
      plant: z.literal('program'),
      path: absolutePath,
      /** As the kernel keeps it: 15 bytes. */
      processName: name.max(15),
      listen: port.optional(),
      beacon: z.strictObject({ address, port }).optional(),
      environment: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), line).default({}),
      /** It ends by itself after this time. */
      hours: z.int().min(1).max(MOST_HOURS).default(6),
    }),
    z.strictObject({
      ...common,
      plant: z.literal('session'),
      /** Id of the program that opens it. */
      of: name,
    }),
  ],
  { error: 'is no kind of trace: docs/scenarios.md lists them' },
);

const SCENARIO = z
  .strictObject({
    name,
    summary: z.string().min(1),
    /** No finding may have this severity or a graver one, on the whole instance. */
    noFindingFrom: z.enum(SEVERITIES).optional(),
    traces: z.array(trace).min(1),
  })
  .superRefine(({ traces }, context) => {
    traces.forEach(({ id }, index) => {
      if (traces.findIndex((other) => other.id === id) < index) {
        context.addIssue({ code: 'custom', path: ['traces', index, 'id'], message: `"${id}" is there twice` });
      }
    });
    traces.forEach((one, index) => {
      if (one.plant !== 'session') return;
      const before = traces.slice(0, index).find((other) => other.id === one.of);
      if (before?.plant === 'program' && before.beacon !== undefined) return;
      const message = `"${one.of}" is no program with a beacon before it`;
      context.addIssue({ code: 'custom', path: ['traces', index, 'of'], message });
    });
  });

export type Expectation = z.infer<typeof expectation>;
export type Trace = z.infer<typeof trace>;
export type TraceOf<Kind extends Trace['plant']> = Extract<Trace, { plant: Kind }>;
/** Traces to plant on a running instance, and what an examination of it has to find. Durations are in seconds. */
export type Scenario = z.infer<typeof SCENARIO>;

/**
 * Reads a scenario from YAML text; `source` names it in messages.
 * @throws Error every fault with the field that it is in, e.g. `intrusion.yaml: traces[2] (root-shell).lines is required`
 */
export function readScenario(text: string, source: string): Scenario {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new Error(`${source}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  const read = SCENARIO.safeParse(value);
  if (read.success) return read.data;
  const faults = read.error.issues.map(({ path: keys, message }) => `${source}: ${fieldOf(keys, value)}: ${message}`);
  throw new Error(faults.join('\n'));
}

/** `traces[2] (root-shell).lines[0]`: the number as in the file's list, from 0, with the trace's own id. */
function fieldOf(keys: readonly PropertyKey[], value: unknown): string {
  let field = '';
  let at = value;
  for (const key of keys) {
    at = typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined;
    field += typeof key === 'number' ? `[${key}]` : `${field === '' ? '' : '.'}${String(key)}`;
    if (typeof key !== 'number' || typeof at !== 'object' || at === null || !('id' in at)) continue;
    if (typeof at.id === 'string') field += ` (${at.id})`;
  }
  return field === '' ? 'the file' : field;
}

/** Names of the scenarios that come with the lab. */
export async function scenarioNames(): Promise<string[]> {
  const files = await readdir(__dirname);
  return files.filter((file) => file.endsWith('.yaml')).map((file) => path.basename(file, '.yaml'));
}

/** A scenario by the name of one of the lab's own, or by the path of a file. */
export async function loadScenario(nameOrFile: string): Promise<Scenario> {
  const own = (await scenarioNames()).includes(nameOrFile);
  const file = own ? path.join(__dirname, `${nameOrFile}.yaml`) : nameOrFile;
  try {
    return readScenario(await readFile(file, 'utf8'), path.basename(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const known = (await scenarioNames()).join(', ');
    throw new Error(`there is no scenario "${nameOrFile}": give ${known} or the path of a file`, { cause: error });
  }
}
