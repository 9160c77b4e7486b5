import { readFileSync } from 'node:fs';
import type { Known } from './verify-bundle';

/**
 * What the reader gives on the command line.
 * @throws RangeError for what cannot be read, as a sentence for a person
 */
export function knownFrom({ publicKey, head }: { publicKey?: string; head?: string }): Known {
  return {
    ...(publicKey !== undefined && { publicKey: keyFile(publicKey) }),
    ...(head !== undefined && { head: headOption(head) }),
  };
}

function keyFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw new RangeError(`${file} cannot be read: give a PEM file with the public key`);
  }
}

function headOption(text: string): NonNullable<Known['head']> {
  const [, sequence, hash] = /^([1-9]\d{0,8}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (sequence === undefined || hash === undefined)
    throw new RangeError(`${text} is no end of a log: give <number>:<64 hexadecimal digits>, as a notification has it`);
  return { sequence: Number(sequence), hash };
}
