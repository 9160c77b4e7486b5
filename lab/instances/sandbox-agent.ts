import fs from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** How sandbox.sh names the agent inside. */
const AGENT_FILE = '/usr/lib/lab-agent/agent.cjs';

/** A process that is killed goes when the kernel comes to it. */
const END_SECONDS = 20;

async function isAgent(pid: string): Promise<boolean> {
  // Empty for a process that has ended and was not collected yet.
  const command = await fs.readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return command.split('\0').includes(AGENT_FILE);
}

/**
 * Ends the SSM agent of a sandbox by SIGKILL, and nothing else of it; resolves when it is gone. Nothing happens when none runs.
 * @param pid the sandbox's first process, as numbered on this machine
 */
export async function endAgent(pid: number): Promise<void> {
  // Children of the first process are the agent, and what lost its parent.
  const children = await fs.readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  for (const child of children.split(' ').filter((number) => number !== '')) {
    if (!(await isAgent(child))) continue;
    try {
      process.kill(Number(child), 'SIGKILL');
    } catch {
      // It ended meanwhile.
    }
    const deadline = Date.now() + END_SECONDS * 1000;
    while (await isAgent(child)) {
      if (Date.now() > deadline) throw new Error(`the SSM agent (process ${child}) does not end`);
      await sleep(20);
    }
  }
}
