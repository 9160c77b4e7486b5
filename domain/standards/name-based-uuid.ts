import { sha1 } from '@noble/hashes/legacy';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils';

/** For names that are URLs (RFC 9562 §6.6). */
export const URL_NAMESPACE = '6ba7b811-9dad-11d1-80b4-00c04fd430c8';

/**
 * A UUID of version 5 (RFC 9562 §5.5): the same for the same name, so that a document made twice is the same document. SHA-1 is
 * what the version asks for; it names things here and protects nothing.
 *
 * @param namespace a UUID, in lower case
 */
export function nameBasedUuid(namespace: string, name: string): string {
  const digest = sha1(concatBytes(hexToBytes(namespace.replaceAll('-', '')), utf8ToBytes(name)));
  const bytes = digest.slice(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytesToHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
