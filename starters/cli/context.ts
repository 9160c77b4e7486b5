import type { Client } from '@temporalio/client';
import type { Command } from 'commander';
import { connectToTemporal } from '../temporal-client';
import { printJson } from './output';

/** Connects, runs, disconnects; the connection would keep the process alive otherwise. */
export async function withClient<T>(run: (client: Client) => Promise<T>): Promise<T> {
  const client = await connectToTemporal();
  try {
    return await run(client);
  } finally {
    await client.connection.close();
  }
}

/** Whether `--json` was given, on the command or before it. */
export const wantsJson = (command: Command): boolean => command.optsWithGlobals().json === true;

/** The result for a program, or its telling for a person. */
export function answer(command: Command, value: unknown, tell: () => void): void {
  if (wantsJson(command)) printJson(value);
  else tell();
}
