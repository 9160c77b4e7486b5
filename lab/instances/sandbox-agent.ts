import fs from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process that is killed goes when the kernel comes to it. */
const END_SECONDS = 20;

async function childrenOf(pid: string): Promise<string[]> {
  // The kernel lists them by the thread that started them. Nothing is read of a process that ended meanwhile.
  const threads = await fs.readdir(`/proc/${pid}/task`).catch(() => []);
  const lists = await Promise.all(
    threads.map((thread) => fs.readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')),
  );
  return lists.flatMap((list) => list.split(' ')).filter((number) => number !== '');
}

async function runsOneOf(pid: string, programs: string[]): Promise<boolean> {
  // Empty for a process that has ended and was not collected yet.
  const command = await fs.readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return command.split('\0').some((word) => programs.includes(word));
}

/** Children of the first process are the agent and what lost its parent; what the agent starts may be part of it too. */
async function agentProcesses(parent: string, programs: string[]): Promise<string[]> {
  const found: string[] = [];
  for (const child of await childrenOf(parent)) {
    if (await runsOneOf(child, programs)) found.push(child, ...(await agentProcesses(child, programs)));
  }
  return found;
}

/**
 * Ends the SSM agent of a sandbox by SIGKILL, and nothing else of it; resolves when it is gone. Nothing happens when none runs.
 * @param pid the sandbox's first process, as numbered on this machine
 * @param programs that are the agent (AgentPlan.processes)
 */
export async function endAgent(pid: number, programs: string[]): Promise<void> {
  const deadline = Date.now() + END_SECONDS * 1000;
  for (;;) {
    const found = await agentProcesses(String(pid), programs);
    if (found.length === 0) return;
    if (Date.now() > deadline) throw new Error(`the SSM agent (process ${found.join(', ')}) does not end`);
    found.forEach((agent) => endProcess(Number(agent)));
    await sleep(20);
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended meanwhile.
  }
}
