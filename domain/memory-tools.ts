import type { MemoryAttempt } from './evidence';

interface PublishedTool {
  /** Of a kernel module: the name that the kernel knows it by (`lime`). Entries of one name are one rung of the ladder. */
  name: string;
  version: string;
  /** In the tools bucket. */
  key: string;
  /** Lowercase hexadecimal. */
  sha256: string;
}

/**
 * An acquisition tool, in one of two kinds:
 * - `program`: `TOOL acquire FIFO` writes the memory in LiME format to the FIFO, as AVML does.
 * - `kernel-module`: LiME's parameters (`path`, `format`, `timeout`), built for one kernel release (`uname -r`).
 */
export type MemoryTool =
  (PublishedTool & { kind: 'program' }) | (PublishedTool & { kind: 'kernel-module'; kernelRelease: string });

/**
 * The next rung of the ladder: the entries of the first tool (by name) that was not tried. When all were tried, one that
 * gave a broken image is tried again, once in the case: memory changes while it is read, so that a second image may be
 * sound. A tool that was refused would be refused again. Empty when nothing is left to try.
 */
export function nextTools(ladder: readonly MemoryTool[], attempts: readonly MemoryAttempt[]): MemoryTool[] {
  const names = [...new Set(ladder.map((tool) => tool.name))];
  const tried = attempts.map((attempt) => attempt.tool);
  const untried = names.find((name) => !tried.includes(name));
  const repeated = new Set(tried).size < tried.length;
  const broken = attempts.find(({ tool, outcome }) => outcome !== 'tool-refused' && names.includes(tool));
  const chosen = untried ?? (repeated ? undefined : broken?.tool);
  return ladder.filter((tool) => tool.name === chosen);
}

export const attemptSentence = ({ number, tool, outcome, reason }: MemoryAttempt): string =>
  `attempt ${number} with ${tool} (${outcome}): ${reason}`;
