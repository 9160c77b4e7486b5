/** One script of a step. */
export interface ScriptRun {
  script: string;
  workingDirectory?: string;
  /** Variables of Run Command, beside those that the place of execution has anyway. */
  environment: Record<string, string>;
  timeoutSeconds: number;
  /** Aborts when the command is cancelled or the agent ends. */
  stop: AbortSignal;
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

/** Where an agent's scripts run: on this machine, or in a guest behind a serial channel. */
export interface Executor {
  platform(): Promise<{ name: string; version: string; hostname: string; address: string }>;
  run(run: ScriptRun): Promise<ScriptResult>;
  /** Ends every script at once. */
  close(): Promise<void>;
}

export const KILLED_EXIT_CODE = 137;
