import { createHash, type Hash } from 'node:crypto';

/** What the document uploads beside an image, and what is kept with it: a line a part, in order: number, SHA-256, bytes. */
export const PART_DIGESTS = 'part-digests.txt';

export interface PartDigest {
  /** Lowercase hexadecimal. */
  sha256: string;
  sizeBytes: number;
}

/** S3 takes so many parts. Source: S3 User Guide, "Amazon S3 multipart upload limits". */
const MOST_PARTS = 10_000;
/** A line has at most 5 + 64 + 11 digits, two spaces and its end. */
export const LARGEST_PART_DIGESTS = MOST_PARTS * 83;
const LINE = /^([1-9][0-9]{0,4}) ([0-9a-f]{64}) ([1-9][0-9]{0,10})$/;
/** Differing parts that a message names; where a whole image differs there are thousands. */
const PARTS_NAMED = 5;

export const renderPartDigests = (parts: readonly PartDigest[]): string =>
  parts.map(({ sha256, sizeBytes }, index) => `${index + 1} ${sha256} ${sizeBytes}\n`).join('');

/**
 * Reads such a list; it comes from the suspect.
 * @throws Error when it is none
 */
export function readPartDigests(text: string): PartDigest[] {
  const lines = text.split('\n');
  if (lines.pop() !== '') throw new Error('its last line has no end');
  return lines.map((line, index) => {
    const [, number, sha256 = '', sizeBytes] = LINE.exec(line) ?? [];
    if (Number(number) !== index + 1 || index >= MOST_PARTS)
      throw new Error(`line ${index + 1} is not that of part ${index + 1}`);
    return { sha256, sizeBytes: Number(sizeBytes) };
  });
}

/** Feed it an object in order, in chunks of any size; `finish` gives the digest of each part that it was uploaded in. */
export class PartHasher {
  private readonly parts: PartDigest[] = [];
  private hash: Hash = createHash('sha256');
  private sizeBytes = 0;

  constructor(private readonly partSizeBytes: number) {}

  update(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) {
      const take = Math.min(this.partSizeBytes - this.sizeBytes, chunk.length - at);
      this.hash.update(chunk.subarray(at, at + take));
      this.sizeBytes += take;
      at += take;
      if (this.sizeBytes === this.partSizeBytes) this.endPart();
    }
  }

  finish(): PartDigest[] {
    if (this.sizeBytes > 0) this.endPart();
    return this.parts;
  }

  private endPart(): void {
    this.parts.push({ sha256: this.hash.digest('hex'), sizeBytes: this.sizeBytes });
    this.hash = createHash('sha256');
    this.sizeBytes = 0;
  }
}

/** How the parts that arrived differ from those that were sent, a phrase each; a few are named, the rest is counted. */
export function differingParts(
  arrived: readonly PartDigest[],
  sent: readonly PartDigest[],
  partSizeBytes: number,
): string[] {
  const differing: string[] = [];
  for (let index = 0; index < Math.max(arrived.length, sent.length); index += 1) {
    const [here, there] = [arrived[index], sent[index]];
    if (here?.sha256 === there?.sha256 && here?.sizeBytes === there?.sizeBytes) continue;
    const tell = (part: PartDigest | undefined): string =>
      part ? `SHA-256 ${part.sha256} over ${part.sizeBytes} bytes` : 'nothing';
    differing.push(
      `part ${index + 1} (from byte ${index * partSizeBytes}): ${tell(here)} here, ${tell(there)} on the instance`,
    );
  }
  const more = differing.length - PARTS_NAMED;
  return more > 0 ? [...differing.slice(0, PARTS_NAMED), `${more} more parts differ`] : differing;
}
