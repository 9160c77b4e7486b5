/**
 * `type` of the ApplicationFailures that activities throw. A workflow decides by it; a test asserts on it.
 * Renaming one breaks running cases.
 */
export const FINAL_FAILURES = [
  /** There is no such instance (any more). */
  'InstanceNotFound',
  /** The instance cannot be commanded: no agent, agent offline, stopped, not registered. */
  'AgentUnavailable',
  /** No document for this operating system or architecture. */
  'UnsupportedPlatform',
  /** A snapshot or copy ended in state `error`. */
  'SnapshotFailed',
  /** An SSM command ended with a failure; details hold the last lines of its output. */
  'CommandFailed',
  'CommandTimedOut',
  /**
   * A memory acquisition tool could not run on the instance (kernel lockdown, no module for its kernel) or ended with an
   * error; another tool may do.
   */
  'ToolRefused',
  /** Two digests that must be equal are not. Everything is kept. */
  'EvidenceMismatch',
  /** Acquired, hashed and kept, but not usable: e.g. not a memory image. */
  'EvidenceUnusable',
  /** A memory image passed its checks, and the tools of the examination can read nothing of it. */
  'ImageUnreadable',
  /** Somebody else has written the entry of the custody log that this case was to write. Nothing is written over it. */
  'CustodyForked',
  /** A decision's proof of identity proves nothing: nothing is decided. */
  'ProofRefused',
  /** AWS refuses: permission, key policy, service control policy. */
  'AccessDenied',
  /** AWS refuses the request itself: a defect of ours or of the configuration. */
  'InvalidRequest',
] as const;

export const RETRYABLE_FAILURES = [
  /** The AWS job is still running; carries nextRetryDelay and no blame. */
  'NotReady',
  /** AWS asks to slow down. */
  'Throttled',
  /** Network, 5xx, a resource in a passing state. */
  'Unavailable',
] as const;

export type FailureType = (typeof FINAL_FAILURES)[number] | (typeof RETRYABLE_FAILURES)[number];
