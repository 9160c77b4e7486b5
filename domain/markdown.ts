const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;
const SPECIAL = /[\\`*_{}[\]()<>#+!|~&@"'=:$^]/g;

/**
 * Makes attacker-controlled text (tags, host names, reasons, finding titles) safe inside a line or a table cell of
 * Markdown. The Temporal UI lets raw HTML of details and summaries through and turns bare addresses into links, so every
 * character that could open markup, HTML or a link becomes a character reference; control, bidirectional and line
 * separating characters become a blank.
 *
 * @param longest characters of the text that are kept; an ellipsis marks the cut.
 */
export function escapeMarkdown(text: string, longest = 300): string {
  const plain = text.replace(INVISIBLE, ' ');
  const kept = plain.length > longest ? `${plain.slice(0, longest)}…` : plain;
  return kept.replace(SPECIAL, (special) => `&#${special.charCodeAt(0)};`).replace(/www\./gi, 'www&#46;');
}

/** What could open markup, HTML or a link in a renderer that takes a summary for Markdown. */
const MARKUP = /[\\`*_{}[\]<>#|~&]/g;

/**
 * A summary line for Temporal. Its UI shows summaries as plain text in one place and renders them in another, so nothing
 * can be escaped: what could be markup is left out.
 */
export function plainSummary(text: string, longest = 120): string {
  const plain = text.replace(INVISIBLE, ' ').replace(MARKUP, '');
  return plain.length > longest ? `${plain.slice(0, longest - 1)}…` : plain;
}
