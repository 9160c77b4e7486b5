import path from 'node:path';

import { ensureForensicTools } from './forensic-tools';
import { ensurePython, type PythonEnvironment } from './python-environments';
import type { SetupOptions } from './setup-options';
import { ensureTemporalCli } from './temporal-cli';
import { findTimeSkippingServer } from './time-skipping-server';

export type SetupPart = 'aws' | 'temporal' | 'forensic-tools' | 'time-skipping' | 'standards';

export interface SetupResult {
  /** The AWS emulator's Python. */
  aws?: PythonEnvironment;
  /** Path of the Temporal CLI. */
  temporalCli?: string;
  /** The forensic image's tool folder; its commands lie in /bin. */
  forensicTools?: string;
  /** Absent where Java or Maven is. */
  timeSkippingServer?: string;
}

/**
 * Finds or installs the parts, one after another so that their progress reads as a list.
 * What is there already costs milliseconds. Throws MissingToolError or ToolFailedError.
 */
export async function ensureAll(parts: readonly SetupPart[], options: SetupOptions): Promise<SetupResult> {
  const result: SetupResult = {};
  const absolute: SetupOptions = { ...options, cacheFolder: path.resolve(options.cacheFolder) };
  if (parts.includes('temporal')) result.temporalCli = await ensureTemporalCli(absolute);
  if (parts.includes('aws')) result.aws = await ensurePython('aws', absolute);
  if (parts.includes('forensic-tools')) result.forensicTools = await ensureForensicTools(absolute);
  if (parts.includes('standards')) await ensurePython('standards', absolute);
  if (parts.includes('time-skipping')) {
    const server = await findTimeSkippingServer(absolute);
    if (server !== undefined) result.timeSkippingServer = server;
  }
  return result;
}
