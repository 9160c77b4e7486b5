import { type AddressRange, BANNER_MAXIMUM, bannerOf, type MemoryImageFacts } from '../domain/memory-image';

/**
 * Reads a LiME memory image as a stream and says whether it is one. LiME is a list of ranges: a 32-byte header
 * (magic, version, first and last physical address, 8 reserved bytes; little-endian), then the range's bytes.
 * Source: LiME, "LiME Memory Range Header, Version 1". AVML writes one range per 16 MiB and leaves blocks of zeros out,
 * so gaps between ranges are no defect.
 */
const HEADER_BYTES = 32;
const MAGIC = 0x4c694d45;
const VERSION_UNCOMPRESSED = 1;

const BANNER_START = Buffer.from('Linux version ');
const NOTHING = Buffer.alloc(0);

/** Feed it the image in order with `update`, in chunks of any size; `finish` tells what it was. */
export class MemoryImageReader {
  private readonly header = Buffer.alloc(HEADER_BYTES);
  private headerFilled = 0;
  private bytesLeftInRange = 0n;
  private lastAddress = -1n;
  private offset = 0n;
  private ranges = 0;
  private readonly covered: AddressRange[] = [];
  private memoryBytes = 0n;
  private problem: string | undefined;
  private banner: string | undefined;
  private tail: Buffer = NOTHING;

  /** `expectedBanner`: the running kernel's. Logs and files in memory may hold those of others. */
  constructor(private readonly expectedBanner?: string) {}

  update(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && this.problem === undefined) {
      if (this.bytesLeftInRange > 0n) {
        const left = chunk.length - at;
        const take = this.bytesLeftInRange < BigInt(left) ? Number(this.bytesLeftInRange) : left;
        this.searchBanner(chunk.subarray(at, at + take));
        this.bytesLeftInRange -= BigInt(take);
        this.memoryBytes += BigInt(take);
        at += take;
        this.offset += BigInt(take);
      } else {
        const take = Math.min(HEADER_BYTES - this.headerFilled, chunk.length - at);
        chunk.copy(this.header, this.headerFilled, at, at + take);
        this.headerFilled += take;
        at += take;
        this.offset += BigInt(take);
        if (this.headerFilled === HEADER_BYTES) this.readHeader();
      }
    }
  }

  finish(): MemoryImageFacts {
    this.searchBanner(NOTHING, true);
    if (this.problem === undefined) {
      if (this.ranges === 0) this.problem = 'it is shorter than one range header';
      else if (this.bytesLeftInRange > 0n || this.headerFilled > 0) {
        this.problem = `it ends in the middle of range ${this.ranges}: the image is cut short`;
      } else if (this.banner === undefined) {
        this.problem = 'no kernel banner ("Linux version …") is in it: no symbol table can be matched to it';
      }
    }
    return {
      ranges: this.ranges,
      memoryBytes: this.memoryBytes,
      covered: this.covered,
      ...(this.banner !== undefined && { banner: this.banner }),
      ...(this.problem !== undefined && { problem: this.problem }),
    };
  }

  private readHeader(): void {
    this.headerFilled = 0;
    const at = this.offset - BigInt(HEADER_BYTES);
    const magic = this.header.readUInt32LE(0);
    const version = this.header.readUInt32LE(4);
    const first = this.header.readBigUInt64LE(8);
    const last = this.header.readBigUInt64LE(16);
    if (magic !== MAGIC) {
      this.problem = `at byte ${at} there is no LiME range header (0x${magic.toString(16)} in place of its magic number)`;
    } else if (version !== VERSION_UNCOMPRESSED) {
      this.problem = `the range header at byte ${at} has version ${version}; only version 1 (not compressed) is read`;
    } else if (last < first || first <= this.lastAddress) {
      this.problem = `the range at byte ${at} does not follow the one before it: addresses must ascend`;
    } else {
      this.ranges += 1;
      const before = this.covered.at(-1);
      if (before && first === before.last + 1n) {
        // AVML begins a new range every 16 MiB: the header between them is not in memory, and text may go on behind it.
        before.last = last;
      } else {
        this.searchBanner(NOTHING, true);
        this.tail = NOTHING;
        this.covered.push({ first, last });
      }
      this.lastAddress = last;
      this.bytesLeftInRange = last - first + 1n;
    }
  }

  private isBannerKnown(): boolean {
    return this.banner !== undefined && (this.expectedBanner ?? this.banner) === this.banner;
  }

  /** `isEnd`: nothing that this text could go on with follows in the image. */
  private searchBanner(memory: Buffer, isEnd = false): void {
    if (this.isBannerKnown()) return;
    const text = this.tail.length > 0 ? Buffer.concat([this.tail, memory]) : memory;
    let from = text.indexOf(BANNER_START);
    while (from !== -1) {
      // Not all of the banner is here yet: look again with the next chunk.
      if (from + BANNER_MAXIMUM > text.length && !isEnd) break;
      const found = bannerOf(text.toString('latin1', from, from + BANNER_MAXIMUM));
      if (found !== undefined && (this.banner === undefined || found === this.expectedBanner)) this.banner = found;
      if (this.isBannerKnown()) return;
      from = text.indexOf(BANNER_START, from + 1);
    }
    const keepFrom = from === -1 ? Math.max(0, text.length - BANNER_START.length) : from;
    this.tail = Buffer.from(text.subarray(keepFrom));
  }
}
