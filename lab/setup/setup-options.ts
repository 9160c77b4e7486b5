import type { SetupProgress } from './setup-progress';

export interface SetupOptions {
  /** Shared by all labs of this machine; see LabConfig.cacheFolder. */
  cacheFolder: string;
  /** Default: silent. */
  progress?: SetupProgress;
}

/** Something the set-up needs is not on this machine. The message says what, why, and how to get it. */
export class MissingToolError extends Error {
  override name = 'MissingToolError';
}
