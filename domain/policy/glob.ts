/**
 * Whether the whole text fits the pattern: `*` stands for any run of characters (also none), `?` for one. Case counts.
 * Not a regular expression: findings are written by others, and this takes at most pattern × text steps.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  let at = 0;
  let from = 0;
  let star = -1;
  let resumeAt = 0;
  while (at < text.length) {
    const wanted = pattern[from];
    if (wanted === '*') {
      star = from++;
      resumeAt = at;
    } else if (wanted !== undefined && (wanted === '?' || wanted === text[at])) {
      from++;
      at++;
    } else if (star >= 0) {
      // The last star takes one character more.
      from = star + 1;
      at = ++resumeAt;
    } else {
      return false;
    }
  }
  while (pattern[from] === '*') from++;
  return from === pattern.length;
}
