import type { Exhibit, S3Location } from '../evidence';
import type { CaseOutcome } from '../outcome';
import { evidenceFolder, type EvidenceKind } from './bundle';

/** An object of the evidence bucket that a bundle names by its digest, and where it lies in the bundle when it is taken along. */
export interface EvidenceFile {
  path: string;
  kind: EvidenceKind;
  sha256: string;
  sizeBytes: number;
  object: Required<S3Location>;
}

type Stored = S3Location & { sha256: string; sizeBytes: number };

/**
 * Every object of the case's evidence that a bundle can take along, each once, by path. Memory images and timelines are large: the
 * sealing does not copy them, it names them. What was stored without a version is left out, since it is not write-once.
 */
export function evidenceFilesOf({ caseId, exhibits, examinations }: CaseOutcome): EvidenceFile[] {
  const found = [
    ...exhibits.flatMap(ofExhibit),
    ...examinations.flatMap(({ timeline, tools }) => [
      ...(timeline ? [kept('timelines', timeline)] : []),
      ...tools.flatMap(({ output }) => (output ? [kept('tool-outputs', output)] : [])),
    ]),
  ];
  const byObject = new Map<string, EvidenceFile>();
  for (const { kind, stored } of found) {
    const { bucket, key, versionId, sha256, sizeBytes } = stored;
    const name = `${bucket}/${key}?${versionId ?? ''}`;
    if (versionId === undefined || byObject.has(name)) continue;
    const path = `${evidenceFolder(kind)}${withinCase(key, caseId)}`;
    const taken = [...byObject.values()].some((file) => file.path === path);
    byObject.set(name, {
      path: taken ? `${path}.${versionId}` : path,
      kind,
      sha256,
      sizeBytes,
      object: { bucket, key, versionId },
    });
  }
  return [...byObject.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

const kept = (kind: EvidenceKind, stored: Stored) => ({ kind, stored });

function ofExhibit({ location, sha256, sizeBytes, blocks, companions = [] }: Exhibit) {
  return [
    ...('s3' in location ? [kept('memory', { ...location.s3, sha256, sizeBytes })] : []),
    // Before the companions, which name it too.
    ...(blocks ? [kept('blocks', blocks.list)] : []),
    ...companions.map((companion) => kept('companions', companion)),
  ];
}

/** `cases/<case>/memory/attempt-1/memory.lime` lies under `memory/attempt-1/memory.lime`. */
function withinCase(key: string, caseId: string): string {
  const folder = `cases/${caseId}/`;
  return key.startsWith(folder) ? key.slice(folder.length) : key;
}

/** Where a stored object lies in the bundle; undefined when the bundle does not name it. */
export const placeOf = (object: S3Location, files: readonly EvidenceFile[]): string | undefined =>
  files.find((file) => file.object.key === object.key && file.object.versionId === object.versionId)?.path;
