import { sha256 } from '@noble/hashes/sha2';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils';
import canonicalize from 'canonicalize';

/** SHA-256 (hexadecimal) of the plan in canonical JSON (RFC 8785): what a decision is bound to. */
export function planHash(plan: unknown): string {
  const text = canonicalize(plan);
  if (text === undefined) throw new TypeError('a plan must be a JSON value');
  return bytesToHex(sha256(utf8ToBytes(text)));
}
