import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

import { parse } from 'yaml';

import { checkDocument } from './document-check';

export type DocumentKey = 'acquireMemoryLinux' | 'examineMemory' | 'examineDisk' | 'probeIsolation';

/** An SSM command document as it is published. */
export interface DocumentSource {
  key: DocumentKey;
  name: string;
  /** JSON; the same files give the same bytes. */
  content: string;
  /** Lowercase hexadecimal SHA-256 of `content`. */
  sha256: string;
}

const DOCUMENTS: { key: DocumentKey; name: string; file: string }[] = [
  { key: 'acquireMemoryLinux', name: 'Forensics-AcquireMemoryLinux', file: 'acquire-memory-linux.yaml' },
  { key: 'examineMemory', name: 'Forensics-ExamineMemory', file: 'examine-memory.yaml' },
  { key: 'examineDisk', name: 'Forensics-ExamineDisk', file: 'examine-disk.yaml' },
  { key: 'probeIsolation', name: 'Forensics-ProbeIsolation', file: 'probe-isolation.yaml' },
];

const INCLUDE = /^#include (\S+)$/;

/**
 * Puts the text of a file in the place of each line `#include FILE` (a path in `folder`), recursively; a file that was
 * put in once is not put in again.
 */
export function resolveIncludes(lines: string[], folder: string, included = new Set<string>()): string[] {
  return lines.flatMap((line) => {
    const name = INCLUDE.exec(line)?.[1];
    if (name === undefined) return [line];
    const file = path.resolve(folder, name);
    if (!file.startsWith(folder + path.sep)) throw new Error(`#include ${name} leaves ${folder}`);
    if (included.has(file)) return [];
    included.add(file);
    return resolveIncludes(fs.readFileSync(file, 'utf8').trimEnd().split('\n'), folder, included);
  });
}

/**
 * The product's SSM documents (schema 2.2), with their shell from the files beside them.
 * Throws with the document's file and every fault found when one breaks the rules of `checkDocument`.
 */
export function loadDocuments(folder: string = __dirname): DocumentSource[] {
  return DOCUMENTS.map(({ key, name, file }) => {
    const source: unknown = parse(fs.readFileSync(path.join(folder, file), 'utf8'));
    const document = checkDocument(file, source, (lines) => resolveIncludes(lines, folder));
    const content = JSON.stringify(document, null, 1);
    return { key, name, content, sha256: createHash('sha256').update(content).digest('hex') };
  });
}
