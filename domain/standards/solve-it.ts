import type { CustodyEntry } from '../custody/entry';
import type { ExhibitKind } from '../evidence';

/**
 * Numbers and names of SOLVE-IT (https://github.com/SOLVE-IT-DF/solve-it, as of 2026-03), the catalogue of forensic techniques,
 * of the ways in which each can go wrong and of what helps.
 */
export interface Weakness {
  id: string;
  name: string;
  /** What the product does about it, in one sentence. */
  mitigation: string;
}

export const TECHNIQUES = {
  diskImaging: 'DFT-1002',
  memoryImaging: 'DFT-1003',
  hashVerification: 'DFT-1042',
  timeline: 'DFT-1052',
} as const;

export const techniqueOf = (kind: ExhibitKind): string =>
  kind === 'memory' ? TECHNIQUES.memoryImaging : TECHNIQUES.diskImaging;

/** What holds of every command: see ssm-documents/. */
const LIVE: Weakness = {
  id: 'DFW-1036',
  name: 'Overwriting relevant data with changes caused by running the live tools',
  mitigation:
    'the command, its digest and its time stand in the custody log, so that its traces can be told from those of others',
};
/** What acquire-memory-linux.sh does. */
const MEMORY_TOOL: Weakness[] = [
  {
    id: 'DFW-1030',
    name: 'Loading a memory imaging tool makes changes to the data in memory that is being acquired',
    mitigation:
      'one program or module, pinned by its SHA-256, runs from a file system in memory; nothing is installed or compiled',
  },
  {
    id: 'DFW-1031',
    name: 'Loading a memory imaging tool overwrites relevant data within memory',
    mitigation: 'the image is streamed out; at most two parts of it lie in memory beside the tool',
  },
];

/**
 * Weaknesses that a change on the suspect brings with it. Changes by AWS alone run nothing there and have none of these.
 * @param memoryTools names of the tools by which the case acquired memory, or tried to
 */
export function weaknessesOf({ document, tool }: CustodyEntry, memoryTools: ReadonlySet<string>): Weakness[] {
  if (!document && !tool) return [];
  return tool && memoryTools.has(tool.name) ? [LIVE, ...MEMORY_TOOL] : [LIVE];
}
