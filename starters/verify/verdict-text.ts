import { printableLine } from '../printable';
import type { BundleVerdict, Known } from './verify-bundle';

/** Columns of text; every cell may hold words of a suspect or of a forger, and stays one line. */
function columns(rows: string[][]): string[] {
  const cells = rows.map((row) => row.map(printableLine));
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** The verdict for a person: what was checked, each exhibit on a line, the first broken link last. */
export function verdictText(verdict: BundleVerdict, { publicKey }: Known): string {
  const { caseId, sealedAt, checks, exhibits, keyFingerprint, firstBroken } = verdict;
  const count = (file: 'included' | 'absent'): number => checks.filter((check) => check.file === file).length;
  // A sealed file that is as it was is one of many; one that is not is named.
  const told = checks.filter(({ file }) => file === undefined);
  return [
    printableLine(`case ${caseId}, sealed ${sealedAt}`),
    '',
    ...columns([
      ...told.map(({ what, holds, detail }) => [holds ? 'ok' : 'BROKEN', what, detail]),
      [
        'ok',
        'sealed files',
        `${count('included')} as they were sealed, ${count('absent')} not included in this bundle`,
      ],
    ]),
    '',
    ...(exhibits.length === 0
      ? ['no exhibits']
      : columns(exhibits.map(({ id, verdict: state, sha256, detail }) => [state, id, `SHA-256 ${sha256}`, detail]))),
    '',
    `signing key, SHA-256 of its DER form: ${keyFingerprint}`,
    ...(publicKey === undefined
      ? ['This key came with the bundle: compare it with what the owner of the case tells you by another way.']
      : []),
    firstBroken
      ? `NOT INTACT. First broken link: ${printableLine(`${firstBroken.what}: ${firstBroken.detail}`)}`
      : 'EVERYTHING HOLDS',
  ].join('\n');
}
