import { offerServer, type SharedServer } from './shared-server';

/** Jest runs set-up and tear-down as modules of their own in one process: this hands the server from one to the other. */
export const holder = globalThis as { temporalForTests?: SharedServer };

export default async function globalSetup(): Promise<void> {
  holder.temporalForTests = await offerServer();
}
