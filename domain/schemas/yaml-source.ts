import { type Document, isMap, isNode, isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import type { z } from 'zod';
import { nearestWord } from './nearest-word';

/** Something wrong in a file, where it stands there. */
export interface FileProblem {
  file: string;
  /** From 1. */
  line: number;
  /** From 1. */
  column: number;
  /** E.g. `rules.0.match.severity`; `the file` for all of it. */
  field: string;
  /** What is wrong and what to write instead. */
  message: string;
}

export const problemText = ({ file, line, column, field, message }: FileProblem): string =>
  `${file}:${line}:${column} ${field}: ${message}`;

type Path = readonly PropertyKey[];

/** A YAML (or JSON) file that still knows on which line each of its fields stands. */
export class YamlSource {
  /** What keeps it from being read at all; with any of these there is no value. */
  readonly syntaxProblems: FileProblem[];
  readonly value: unknown;
  readonly #document: Document.Parsed;
  readonly #lines = new LineCounter();

  constructor(
    content: string,
    readonly file: string,
  ) {
    this.#document = parseDocument(content, { lineCounter: this.#lines, prettyErrors: false });
    this.syntaxProblems = this.#document.errors.map(({ pos, message }) => this.#at(pos[0], 'the file', message));
    if (this.syntaxProblems.length === 0) this.value = this.#valueOf(this.#document);
  }

  /** A problem with the field at the path, or with the nearest that is there. */
  problem(path: Path, message: string): FileProblem {
    return this.#at(this.#offsetOf(path), path.map(String).join('.') || 'the file', message);
  }

  /** Reads the value, or the part of it at the path, by a schema. */
  parsedBy<T>(schema: z.ZodType<T>, path: Path = []): { data: T } | { problems: FileProblem[] } {
    if (this.syntaxProblems.length > 0) return { problems: this.syntaxProblems };
    const result = schema.safeParse(valueAt(this.value, path), { error: explained });
    if (result.success) return { data: result.data };
    return {
      problems: result.error.issues.flatMap((issue) => {
        const at = [...path, ...issue.path];
        return issue.code === 'unrecognized_keys'
          ? issue.keys.map((key) => this.#unknownField(at, key, issue.message))
          : [this.problem(at, issue.message)];
      }),
    };
  }

  #unknownField(path: Path, key: string, message: string): FileProblem {
    const known = message.split(' one of ')[1]?.split(', ') ?? [];
    const meant = nearestWord(key, known);
    const field = [...path.map(String), key].join('.');
    return this.#at(this.#keyOffset(path, key), field, meant ? `${message}. Did you mean ${meant}?` : message);
  }

  #at(offset: number, field: string, message: string): FileProblem {
    const { line, col } = this.#lines.linePos(offset);
    // An empty file has no lines to the counter.
    return { file: this.file, line: Math.max(1, line), column: Math.max(1, col), field, message };
  }

  #offsetOf(path: Path): number {
    for (let length = path.length; length > 0; length--) {
      const key = path[length - 1];
      const node: unknown = this.#document.getIn(path.slice(0, length), true);
      if (isNode(node) && node.range) return this.#startOf(node, path.slice(0, length - 1), key);
    }
    return this.#document.contents?.range[0] ?? 0;
  }

  /** A map or list under a key begins on the line after it: its key tells better where it is. */
  #startOf(node: Node, parent: Path, key: PropertyKey | undefined): number {
    if (isScalar(node) || typeof key !== 'string') return node.range?.[0] ?? 0;
    return this.#keyOffset(parent, key);
  }

  #keyOffset(path: Path, key: string): number {
    const parent: unknown = path.length === 0 ? this.#document.contents : this.#document.getIn(path, true);
    if (isMap(parent)) {
      const found = parent.items.map((pair) => pair.key).find((one) => isScalar(one) && String(one.value) === key);
      if (isScalar(found) && found.range) return found.range[0];
    }
    return this.#offsetOf(path);
  }

  #valueOf(document: Document.Parsed): unknown {
    try {
      return document.toJS() as unknown;
    } catch (error) {
      // Aliases that multiply beyond measure.
      this.syntaxProblems.push(this.#at(0, 'the file', error instanceof Error ? error.message : String(error)));
      return undefined;
    }
  }
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null && Object.hasOwn(inner, key)
        ? (inner as Record<PropertyKey, unknown>)[key]
        : undefined,
    value,
  );
}

/** Says what was found and what to write, for issues that the schema itself says nothing about. */
function explained(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_value') {
    const allowed = issue.values.map(String);
    const meant = typeof issue.input === 'string' ? nearestWord(issue.input, allowed) : undefined;
    const choice = allowed.length === 1 ? `must be ${allowed.join()}` : `must be one of ${allowed.join(', ')}`;
    const found = issue.input === undefined ? 'is missing' : `is ${shown(issue.input)}`;
    return `${found}: ${choice}${meant ? `. Did you mean ${meant}?` : ''}`;
  }
  if (issue.code === 'invalid_type') {
    if (issue.input === undefined) return `is missing: give ${article(issue.expected)}`;
    return `is ${shown(issue.input)}: must be ${article(issue.expected)}`;
  }
  return undefined;
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a map of fields';
  return JSON.stringify(value).slice(0, 80);
}

const NAMES: Record<string, string> = {
  array: 'a list',
  object: 'a map of fields',
  record: 'a map of fields',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};
const article = (expected: string): string => NAMES[expected] ?? expected;
