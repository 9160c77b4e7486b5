import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import { type DocumentKey, loadDocuments } from '../../ssm-documents/documents';

interface PublishedContent {
  parameters: Record<string, { allowedPattern: string; default?: string }>;
  mainSteps: [{ inputs: { runCommand: string[] } }];
}

export interface DocumentRun {
  code: number | null;
  stdout: string;
  stderr: string;
  /** What the document says of itself: the words after FORENSICS-RESULT, read as JSON. */
  result: Record<string, unknown> | undefined;
  /** The words after FORENSICS-FAILURE. */
  failure: string | undefined;
}

/** The script that an agent would run, with parameters put in as the agent does it. */
export function scriptOf(key: DocumentKey, parameters: Record<string, string> = {}): string {
  const content = JSON.parse(loadDocuments().find((document) => document.key === key)!.content) as PublishedContent;
  let script = content.mainSteps[0].inputs.runCommand.join('\n');
  for (const [name, { allowedPattern, default: fallback }] of Object.entries(content.parameters)) {
    const value = parameters[name] ?? fallback ?? '';
    if (Object.keys(parameters).length > 0 && !new RegExp(allowedPattern).test(value))
      throw new Error(`${name}=${value} does not match ${allowedPattern}`);
    script = script.replaceAll(`{{ ${name} }}`, () => value);
  }
  return `${script}\n`;
}

/**
 * Runs a document as an agent does: as a file, by its first line, in a process group of its own. `whileRunning` is given
 * its process.
 */
export async function runDocument(
  key: DocumentKey,
  parameters: Record<string, string>,
  env: NodeJS.ProcessEnv = {},
  whileRunning: (child: ChildProcess) => Promise<void> = () => Promise.resolve(),
): Promise<DocumentRun> {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'document-'));
  const file = path.join(folder, 'script.sh');
  await fs.writeFile(file, scriptOf(key, parameters), { mode: 0o700 });
  try {
    const child = spawn(file, [], {
      detached: true,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    const ended = new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
    const [code] = await Promise.all([ended, whileRunning(child)]);
    const result = /^FORENSICS-RESULT (.*)$/m.exec(stdout)?.[1];
    return {
      code,
      stdout,
      stderr,
      result: result === undefined ? undefined : (JSON.parse(result) as Record<string, unknown>),
      failure: /^FORENSICS-FAILURE (.*)$/m.exec(stdout)?.[1],
    };
  } finally {
    await fs.rm(folder, { recursive: true });
  }
}
