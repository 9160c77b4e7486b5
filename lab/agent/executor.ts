/** One script of a step. */
export interface ScriptRun {
  script: string;
  workingDirectory?: string;
  /** Variables of Run Command, beside those that the place of execution has anyway. */
  environment: Record<string, string>;
  timeoutSeconds: number;
  /** Aborts when the command is cancelled or the agent ends. */
  stop: AbortSignal;
  /** Is given all that the script writes, of which the result keeps the beginning only. */
  onOutput?: (stream: 'stdout' | 'stderr', chunk: Buffer) => void;
  /** `<command id>/<step name>`: where an executor keeps the script. */
  name: string;
}

/** `exitCode` is 137 when the script was ended by a signal, as amazon-ssm-agent reports a time-out or a cancellation. */
export interface ScriptResult {
  exitCode: number;
  stdout: string;
  stderr: string;
  ended: 'exit' | 'timeout' | 'cancel';
}

/** Where an agent's scripts run; those of paper instances run nowhere. */
export interface Executor {
  platform(): Promise<{ name: string; version: string; hostname: string; address: string }>;
  run(run: ScriptRun): Promise<ScriptResult>;
  /** Ends every script at once. */
  close(): Promise<void>;
}

export const KILLED_EXIT_CODE = 137;
