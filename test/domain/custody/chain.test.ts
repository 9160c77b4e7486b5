import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { appendEntry, canonicalHash, emptyChain, headOf, NO_ENTRY, verifyChain } from '../../../domain/custody/chain';
import type { CustodyDraft, CustodyEntry } from '../../../domain/custody/entry';

const CASE = '111122223333.us-east-1.i-0000000000000000a.1';

const draft = fc.record<CustodyDraft, 'entryId' | 'kind' | 'message' | 'actor' | 'at' | 'notify'>(
  {
    entryId: fc.uuid(),
    kind: fc.constantFrom('case-opened', 'exhibit-acquired', 'decision-taken', 'case-closed'),
    // Hostile names arrive in messages; a lone surrogate is refused by a test of its own.
    message: fc.string({ unit: 'grapheme' }),
    actor: fc.record({ name: fc.string(), knownBy: fc.constantFrom('proven', 'service', 'claimed') }),
    at: fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
    notify: fc.boolean(),
    data: fc.dictionary(fc.string(), fc.jsonValue()),
  },
  { requiredKeys: ['entryId', 'kind', 'message', 'actor', 'at', 'notify'] },
);
const drafts = fc.array(draft, { minLength: 2, maxLength: 12 });

function chainOf(all: CustodyDraft[]): CustodyEntry[] {
  let head = emptyChain(CASE);
  return all.map((one) => {
    const entry = appendEntry(head, one);
    head = headOf(entry);
    return entry;
  });
}

/** As an insider would: alters one entry and computes every hash from there anew. */
function rewrittenFrom(entries: CustodyEntry[], index: number, change: Partial<CustodyDraft>): CustodyEntry[] {
  let head = index === 0 ? emptyChain(CASE) : headOf(entries[index - 1]!);
  return [
    ...entries.slice(0, index),
    ...entries.slice(index).map(({ hash, previous, sequence, caseId, ...body }, offset) => {
      expect([hash, previous, sequence, caseId]).toHaveLength(4);
      const entry = appendEntry(head, offset === 0 ? { ...body, ...change } : body);
      head = headOf(entry);
      return entry;
    }),
  ];
}

/** Examples of RFC 8785: §3.2.2 (literals, numbers, strings), §3.2.3 (order of keys by UTF-16), appendix B (numbers). */
test.each([
  [
    '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}',
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  ],
  [
    '{"\\u20ac":"Euro Sign","\\r":"Carriage Return","\\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\\ud83d\\ude00":"Emoji: Grinning Face","\\u0080":"Control","\\u00f6":"Latin Small Letter O With Diaeresis"}',
    '{"\\r":"Carriage Return","1":"One","\u0080":"Control","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign","😀":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
  ],
  [
    '[0,-0,5e-324,1.7976931348623157e308,9007199254740992,295147905179352830000,9.999999999999997e22,1e23,1.0000000000000001e23,999999999999999700000,1e21,9.999999999999997e-7,0.000001]',
    '[0,0,5e-324,1.7976931348623157e+308,9007199254740992,295147905179352830000,9.999999999999997e+22,1e+23,1.0000000000000001e+23,999999999999999700000,1e+21,9.999999999999997e-7,0.000001]',
  ],
])('canonical JSON as RFC 8785 shows it', (given, canonical) => {
  expect(canonicalize(JSON.parse(given))).toBe(canonical);
  expect(canonicalHash(JSON.parse(given))).toBe(createHash('sha256').update(canonical).digest('hex'));
});

test.each([
  ['NaN', { value: Number.NaN }],
  ['infinity', { value: Number.POSITIVE_INFINITY }],
  ['a lone surrogate', { value: '\ud800' }],
  ['a lone surrogate behind a backslash', { value: '\\\udc00' }],
  ['nothing', undefined],
])('%s has no canonical form', (_what, value) => {
  expect(() => canonicalHash(value)).toThrow();
});

test('what a suspect wrote never stops the log: half a surrogate pair is replaced', () => {
  const entry = appendEntry(emptyChain(CASE), {
    entryId: 'event-1',
    kind: 'examined',
    message: 'evil\ud800name',
    actor: { name: 'a', knownBy: 'service' },
    at: '2026-11-22T00:00:00.000Z',
    notify: false,
    data: { file: ['\udfff', { '😀': '😀' }] },
  });
  expect(entry).toMatchObject({ message: 'evil\ufffdname', data: { file: ['\ufffd', { '😀': '😀' }] } });
  expect(verifyChain([entry], CASE)).toMatchObject({ holds: true });
});

test('a text that only looks like an escape is a text', () => {
  expect(canonicalHash('\\ud800')).toBe(createHash('sha256').update('"\\\\ud800"').digest('hex'));
});

test('a log holds, from the zeros before its first entry to its head', () => {
  fc.assert(
    fc.property(drafts, (all) => {
      const entries = chainOf(all);
      expect(entries[0]!.previous).toBe(NO_ENTRY);
      expect(verifyChain(entries, CASE)).toEqual({ holds: true, head: headOf(entries.at(-1)!) });
      // As it comes back from a file.
      expect(verifyChain(JSON.parse(JSON.stringify(entries)) as CustodyEntry[], CASE)).toMatchObject({ holds: true });
    }),
  );
});

test('an entry removed, doubled or moved is named by its line', () => {
  fc.assert(
    fc.property(drafts, fc.nat(), (all, any) => {
      const entries = chainOf(all);
      const index = any % (entries.length - 1);
      expect(verifyChain(entries.toSpliced(index, 1), CASE)).toMatchObject({ holds: false, line: index + 1 });
      expect(verifyChain(entries.toSpliced(index, 0, entries[index]!), CASE)).toMatchObject({ line: index + 2 });
      const moved = entries.toSpliced(index, 2, entries[index + 1]!, entries[index]!);
      expect(verifyChain(moved, CASE)).toMatchObject({ holds: false, line: index + 1 });
    }),
  );
});

test('an entry edited is named; with all hashes computed anew from there the sealed head gives it away', () => {
  fc.assert(
    fc.property(drafts, fc.nat(), (all, any) => {
      const entries = chainOf(all);
      const index = any % entries.length;
      const message = `${entries[index]!.message}!`;
      const edited = entries.with(index, { ...entries[index]!, message });
      expect(verifyChain(edited, CASE)).toMatchObject({ holds: false, line: index + 1 });
      const rewritten = rewrittenFrom(entries, index, { message });
      expect(verifyChain(rewritten, CASE)).toMatchObject({ holds: true });
      expect(verifyChain(rewritten, CASE, headOf(entries.at(-1)!))).toMatchObject({ holds: false });
    }),
  );
});

test('a log cut short shows by the head that was sent out', () => {
  fc.assert(
    fc.property(drafts, (all) => {
      const entries = chainOf(all);
      expect(verifyChain(entries.slice(0, -1), CASE, headOf(entries.at(-1)!))).toMatchObject({
        holds: false,
        line: entries.length,
        problem: expect.stringContaining('its end is missing') as string,
      });
      // An older head agrees with a longer log.
      expect(verifyChain(entries, CASE, headOf(entries[0]!))).toMatchObject({ holds: true });
    }),
  );
});

test('a log of another case is not this one’s', () => {
  const [entry] = chainOf([
    {
      entryId: 'event-1',
      kind: 'case-opened',
      message: 'm',
      actor: { name: 'a', knownBy: 'service' },
      at: '2026-11-22T00:00:00.000Z',
      notify: true,
    },
  ]);
  expect(verifyChain([entry!], 'other')).toMatchObject({ holds: false, line: 1 });
});
