import type { z } from 'zod';

/** A document says what came of it in lines that start with one of these; everything else is for people. */
const RESULT = 'FORENSICS-RESULT ';
const FAILURE = /^FORENSICS-FAILURE (\S{1,60}) (.+)$/;

/** GetCommandInvocation returns so many characters of standard output and cuts the rest off. Source: SSM API Reference. */
export const STANDARD_OUTPUT_LIMIT = 24_000;
const WORDS_KEPT = 1_500;

/** Replaces whatever looks like a URL or a part of a signature: pre-signed URLs are secrets while they live. */
export function maskUrls(text: string): string {
  return text
    .replace(/\bhttps?:\/\/[^\s"'<>]+/gi, '<URL withheld>')
    .replace(/\bX-Amz-[A-Za-z-]+=[^\s"'&]+/gi, '<signature withheld>');
}

/** Text as it may stand in a message: no URLs, no control characters, its last part when it is long. */
export function lastWords(text: string): string {
  const printable = maskUrls(text)
    // eslint-disable-next-line no-control-regex
    .replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '')
    .trim();
  return printable.length > WORDS_KEPT ? `…${printable.slice(-WORDS_KEPT)}` : printable;
}

/**
 * The document's result: the last line that announces one, as JSON of the given shape.
 * Returns the sentence that tells what is wrong when there is none.
 */
export function readResult<T>(standardOutput: string, shape: z.ZodType<T>): { result: T } | { problem: string } {
  const line = standardOutput.split('\n').findLast((text) => text.startsWith(RESULT));
  if (line === undefined) {
    const cut = standardOutput.length >= STANDARD_OUTPUT_LIMIT;
    return {
      problem: cut
        ? `its output passed ${STANDARD_OUTPUT_LIMIT} characters, where Run Command cuts it, and the result line was lost`
        : 'it printed no result line',
    };
  }
  let value: unknown;
  try {
    value = JSON.parse(line.slice(RESULT.length));
  } catch {
    return { problem: 'its result line is not JSON' };
  }
  const parsed = shape.safeParse(value);
  if (parsed.success) return { result: parsed.data };
  const issue = parsed.error.issues[0];
  return { problem: `its result line is not as agreed: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim() };
}

/** Why the document says that it failed, or the last lines that it wrote. */
export function readFailure(standardOutput: string, standardError: string): { code?: string; sentence: string } {
  const lines = `${standardError}\n${standardOutput}`.split('\n');
  const announced = lines.map((text) => FAILURE.exec(text.trim())).findLast((match) => match !== null);
  if (announced) return { code: lastWords(announced[1] ?? ''), sentence: lastWords(announced[2] ?? '') };
  const words = lastWords(standardError) || lastWords(standardOutput);
  return { sentence: words === '' ? 'it left no word' : words };
}
