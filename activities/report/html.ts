/** Text that is safe to stand in an HTML page. Only this module makes one, so that nothing unescaped gets in. */
export interface Html {
  readonly html: string;
}

type Part = string | number | Html | readonly Html[];

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const INVISIBLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Escapes the five characters of HTML and shows control and direction-changing characters as their code points. */
export function escapeHtml(text: string): string {
  return text
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character)
    .replace(INVISIBLE, (character) => `\\u{${character.charCodeAt(0).toString(16)}}`);
}

/** Tagged template: every value is escaped unless it is itself made by this tag. */
export function html(strings: TemplateStringsArray, ...values: Part[]): Html {
  const text = strings.reduce(
    (out, fixed, index) => out + fixed + (index < values.length ? render(values[index] ?? '') : ''),
    '',
  );
  return { html: text };
}

function render(value: Part): string {
  if (typeof value === 'string') return escapeHtml(value);
  if (typeof value === 'number') return String(value);
  if ('html' in value) return value.html;
  return value.map((one) => one.html).join('');
}
