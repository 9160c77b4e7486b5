import { sha256 } from '@noble/hashes/sha2';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils';
import canonicalize from 'canonicalize';
import type { CustodyDraft, CustodyEntry } from './entry';

/** Where a case's log ends: what the next entry builds on, and what notifications carry so that truncation shows. */
export interface ChainHead {
  caseId: string;
  /** 0 for a log without entries. */
  sequence: number;
  hash: string;
}

/** `previous` of the first entry. */
export const NO_ENTRY = '0'.repeat(64);

export const emptyChain = (caseId: string): ChainHead => ({ caseId, sequence: 0, hash: NO_ENTRY });

export const headOf = ({ caseId, sequence, hash }: CustodyEntry): ChainHead => ({ caseId, sequence, hash });

/**
 * JSON.stringify writes a half of a surrogate pair as an escape, and nothing else of that range; a backslash that belongs to
 * the text is doubled. RFC 8785 §3.2.2.2 wants an error, since UTF-8 has no form for it.
 */
const LONE_SURROGATE = /(?<!\\)(?:\\\\)*\\ud[89a-f]/;

/**
 * UTF-8 of a value in canonical JSON (RFC 8785).
 * @throws TypeError for what JSON does not know: undefined, NaN, infinity, lone surrogates, functions
 */
export function canonicalBytes(value: unknown): Uint8Array {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError('not a JSON value: it has no canonical form');
  if (LONE_SURROGATE.test(text)) throw new TypeError('a lone surrogate in a text: it has no canonical form');
  return utf8ToBytes(text);
}

/** SHA-256 (hexadecimal) of a value's canonical form. @throws TypeError as canonicalBytes does */
export const canonicalHash = (value: unknown): string => bytesToHex(sha256(canonicalBytes(value)));

/** The same value with every half of a surrogate pair replaced by U+FFFD: words of a suspect may hold anything. */
export function wellFormed<T>(value: T): T {
  return JSON.parse(JSON.stringify(value), (_key, one: unknown) =>
    typeof one === 'string' ? one.replace(/\p{Surrogate}/gu, '\ufffd') : one,
  ) as T;
}

/** The entry that follows `head`. Pure: writing it only if nobody else has written that number is the store's part. */
export function appendEntry(head: ChainHead, draft: CustodyDraft): CustodyEntry {
  const entry = { ...wellFormed(draft), caseId: head.caseId, sequence: head.sequence + 1, previous: head.hash };
  return { ...entry, hash: canonicalHash(entry) };
}

export type ChainVerdict =
  | { holds: true; head: ChainHead }
  /** `line`: place in the log, from 1; one behind the last line when the end is missing. */
  | { holds: false; line: number; problem: string };

/**
 * Checks a whole log: numbers without gaps, each entry's own hash, each link. The first broken one is named.
 * @param known a head that is known from elsewhere (the seal, a notification): the log must reach it and agree with it
 */
export function verifyChain(entries: readonly CustodyEntry[], caseId: string, known?: ChainHead): ChainVerdict {
  let head = emptyChain(caseId);
  for (const [index, entry] of entries.entries()) {
    const problem = problemOf(entry, head);
    if (problem !== undefined) return { holds: false, line: index + 1, problem };
    if (known?.sequence === entry.sequence && known.hash !== entry.hash) {
      return {
        holds: false,
        line: index + 1,
        problem: `entry ${entry.sequence} is not the one that was sealed: its hash is ${entry.hash}, sealed was ${known.hash}`,
      };
    }
    head = headOf(entry);
  }
  if (known && known.sequence > head.sequence) {
    return {
      holds: false,
      line: entries.length + 1,
      problem: `the log ends at entry ${head.sequence}, but entry ${known.sequence} was sealed: its end is missing`,
    };
  }
  return { holds: true, head };
}

function problemOf(entry: CustodyEntry, head: ChainHead): string | undefined {
  if (entry.caseId !== head.caseId) return `it belongs to case ${entry.caseId}, not to ${head.caseId}`;
  if (entry.sequence !== head.sequence + 1)
    return `it is entry ${entry.sequence} where entry ${head.sequence + 1} must stand: one was removed, added or moved`;
  if (entry.previous !== head.hash)
    return `entry ${entry.sequence} does not follow the one before it: the link says ${entry.previous}, that one's hash is ${head.hash}`;
  const { hash, ...body } = entry;
  const computed = canonicalHash(body);
  return computed === hash
    ? undefined
    : `entry ${entry.sequence} was altered: its hash is ${computed}, it says ${hash}`;
}
