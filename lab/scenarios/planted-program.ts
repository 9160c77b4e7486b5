import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findProgram, toolOutput } from '../guest/tool-output';

const SOURCE = path.join(__dirname, 'planted-program.c');

/**
 * The planted program (planted-program.c), compiled for machines with this one's processor and C library: some 15 KB.
 * @throws Error there is no C compiler
 */
export async function compilePlantedProgram(env: NodeJS.ProcessEnv = process.env): Promise<Buffer> {
  const compiler = findProgram('cc', env);
  if (compiler === undefined)
    throw new Error('a scenario with a program takes a C compiler: apt-get install gcc libc6-dev');
  const folder = await mkdtemp(path.join(tmpdir(), 'planted-program-'));
  const program = path.join(folder, 'program');
  try {
    await toolOutput(compiler, ['-O1', '-s', '-o', program, SOURCE], { env });
    return await readFile(program);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
