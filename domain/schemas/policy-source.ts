import { z } from 'zod';
import { DEFAULT_POLICY } from '../policy/default-policy';
import type { Policy } from '../policy/policy';
import { policyProblems } from '../policy/policy-problems';
import { completed } from '../policy/settings';
import { policySchema } from './policy';
import { type FileProblem, YamlSource } from './yaml-source';

/** A policy that was read, or why not. Warnings are of a policy that holds all the same. */
export type PolicyReading =
  | { policy: Policy; problems: []; warnings: FileProblem[] }
  | { policy?: undefined; problems: FileProblem[]; warnings: FileProblem[] };

/** Reads `policy.yaml`; what it leaves out is as in `DEFAULT_POLICY`. */
export const readPolicy = (content: string, file: string): PolicyReading => policyIn(new YamlSource(content, file));

/** Reads the policy at the path of a file, e.g. under `policy` of the worker's configuration. */
export function policyIn(source: YamlSource, path: string[] = []): PolicyReading {
  const parsed = source.parsedBy(policySchema, path);
  if ('problems' in parsed) return { problems: sorted(parsed.problems), warnings: [] };
  const policy = completed(parsed.data);
  const found = policyProblems(policy);
  const inFile = (all: typeof found.problems): FileProblem[] =>
    sorted(all.map((one) => source.problem([...path, ...one.path], one.message)));
  const warnings = inFile(found.warnings);
  return found.problems.length > 0
    ? { problems: inFile(found.problems), warnings }
    : { policy, problems: [], warnings };
}

/** In the order in which a reader of the file meets them. */
const sorted = (problems: FileProblem[]): FileProblem[] =>
  problems.sort((a, b) => a.line - b.line || a.column - b.column);

/**
 * The policy of a worker's configuration: in a file of its own (`policyFile`), or in it (`policy`), or the default.
 * @param open gives the file that `policyFile` names, or the sentence that says why it cannot be read
 */
export function policyOfConfiguration(
  source: YamlSource,
  open: (policyFile: string) => YamlSource | string,
): PolicyReading {
  if (source.syntaxProblems.length > 0) return { problems: source.syntaxProblems, warnings: [] };
  const failed = (field: string, message: string): PolicyReading => ({
    problems: [source.problem([field], message)],
    warnings: [],
  });
  const named = source.parsedBy(policyFileName, ['policyFile']);
  if ('problems' in named) return { problems: named.problems, warnings: [] };
  const hasInline = !('data' in source.parsedBy(z.undefined(), ['policy']));
  if (named.data === undefined)
    return hasInline ? policyIn(source, ['policy']) : { policy: DEFAULT_POLICY, problems: [], warnings: [] };
  if (hasInline) return failed('policyFile', 'the policy stands under policy, too: keep one of the two');
  const file = open(named.data);
  return typeof file === 'string' ? failed('policyFile', file) : policyIn(file);
}

const policyFileName = z.string().min(1, 'must name a file').optional();
