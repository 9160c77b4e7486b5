import path from 'node:path';
import { build } from 'esbuild';

/**
 * Writes the agent as one CommonJS file that needs nothing but `node`, so that it can be put into an instance.
 * @returns the path of the file.
 */
export async function bundleAgent(outFile: string): Promise<string> {
  await build({
    entryPoints: [path.join(__dirname, 'agent.ts')],
    outfile: outFile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    logLevel: 'warning',
  });
  return outFile;
}
