import { setTimeout as sleep } from 'node:timers/promises';
import { type Executor, KILLED_EXIT_CODE, type ScriptResult, type ScriptRun } from '../agent/executor';
import { substitute } from '../ssm/documents';
import type { ScriptedReply } from './scripted-replies';

/** Runs nothing: each script ends as its reply says. */
export class ScriptedExecutor implements Executor {
  constructor(
    private readonly replyTo: (stepName: string) => ScriptedReply,
    private readonly values: Record<string, unknown>,
  ) {}

  platform(): ReturnType<Executor['platform']> {
    return Promise.resolve(PAPER_PLATFORM);
  }

  async run(run: ScriptRun): Promise<ScriptResult> {
    const reply = this.replyTo(run.name.slice(run.name.indexOf('/') + 1));
    const filled = (text: string): string => String(substitute(text, this.values));
    const result = { stdout: filled(reply.standardOutput), stderr: filled(reply.standardError) };
    const ended = await sleep(reply.delaySeconds * 1000, reply.ends, { signal: run.stop }).catch(
      () => 'cancel' as const,
    );
    return { ...result, ended, exitCode: ended === 'exit' ? reply.exitCode : KILLED_EXIT_CODE };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** What paper instances say that they run. */
export const PAPER_PLATFORM = { name: 'Amazon Linux', version: '2023', hostname: '', address: '' };
