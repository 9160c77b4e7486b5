/**
 * Text from tags, findings and evidence is written by attackers: control characters would drive the reader's terminal
 * (clear it, forge lines, set its title). They are shown as `\x1b` and the like.
 */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (character) => {
    const code = character.charCodeAt(0);
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
  });
}

/** The same, and it stays one line. */
export const printableLine = (text: string): string => printable(text).replaceAll('\n', '\\n');
