/** The word that was probably meant, among those that are allowed; undefined when none is near. */
export function nearestWord(written: string, allowed: readonly string[]): string | undefined {
  const near = allowed
    .map((word) => ({ word, distance: editDistance(written.toLowerCase().slice(0, 64), word.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return near && near.distance <= Math.min(3, Math.floor(near.word.length / 2)) ? near.word : undefined;
}

/** Levenshtein's: letters to add, remove or replace. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [above, letter] of Array.from(from).entries()) {
    const next = [above + 1];
    for (const [index, other] of Array.from(to).entries()) {
      const [diagonal = 0, over = 0] = row.slice(index, index + 2);
      next.push(Math.min(over + 1, (next[index] ?? 0) + 1, diagonal + (letter === other ? 0 : 1)));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
