import { readFile } from 'node:fs/promises';
import { UsageError } from './output';

/**
 * @param file path, or `-` for standard input
 * @throws UsageError when it cannot be read or is not JSON
 */
export async function readJson(file: string): Promise<unknown> {
  let content: string;
  try {
    content = file === '-' ? await readStandardInput() : await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  try {
    return JSON.parse(content) as unknown;
  } catch (error) {
    throw new UsageError(`${file} is not JSON: ${(error as Error).message}`, { cause: error });
  }
}

async function readStandardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
