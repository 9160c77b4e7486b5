/** Physical addresses, both inclusive. */
export interface AddressRange {
  first: bigint;
  last: bigint;
}

/** What a memory image in LiME format was found to be. */
export interface MemoryImageFacts {
  /** Range headers. */
  ranges: number;
  /** Bytes of memory, without headers. */
  memoryBytes: bigint;
  /** The addresses that it holds, ascending; ranges that touch are one. */
  covered: AddressRange[];
  /** The running kernel's banner when it was found, else the first one; attacker-controlled, printable ASCII only. */
  banner?: string;
  /** What is wrong, one sentence; absent for a sound image. */
  problem?: string;
}

/** What the suspect's kernel says of its memory. */
export interface PhysicalMemory {
  ram: AddressRange[];
  /** Code, read-only data and data of the kernel: nothing can be read of an image without them. */
  kernel: (AddressRange & { name: string })[];
}

const IOMEM_LINE = /^( *)([0-9a-f]{1,16})-([0-9a-f]{1,16}) : (.+)$/;
const KERNEL_PARTS = ['Kernel code', 'Kernel rodata', 'Kernel data'];

/**
 * Reads `/proc/iomem`. `System RAM` counts at the top level only, as both AVML and LiME take it. Undefined when there is
 * none, or when the kernel hides addresses (it shows zeros to a reader without CAP_SYS_ADMIN).
 */
export function readIomem(text: string): PhysicalMemory | undefined {
  const memory: PhysicalMemory = { ram: [], kernel: [] };
  for (const line of text.split('\n')) {
    const [, indent = '', first = '', last = '', name = ''] = IOMEM_LINE.exec(line) ?? [];
    const range = { first: BigInt(`0x${first || '0'}`), last: BigInt(`0x${last || '0'}`) };
    if (range.last <= range.first) continue;
    if (indent === '' && name === 'System RAM') memory.ram.push(range);
    if (indent !== '' && KERNEL_PARTS.includes(name)) memory.kernel.push({ name, ...range });
  }
  return memory.ram.length > 0 ? { ...memory, ram: joined(memory.ram) } : undefined;
}

/** Ascending, and one where they touch or overlap. */
function joined(ranges: readonly AddressRange[]): AddressRange[] {
  const result: AddressRange[] = [];
  for (const { first, last } of [...ranges].sort((a, b) => (a.first < b.first ? -1 : 1))) {
    const before = result.at(-1);
    if (before && first <= before.last + 1n) before.last = last > before.last ? last : before.last;
    else result.push({ first, last });
  }
  return result;
}

const sizeOf = (ranges: readonly AddressRange[]): bigint =>
  ranges.reduce((sum, { first, last }) => sum + last - first + 1n, 0n);

/** Bytes that two ascending lists have in common. */
function commonBytes(some: readonly AddressRange[], others: readonly AddressRange[]): bigint {
  let sum = 0n;
  let index = 0;
  for (const { first, last } of some) {
    for (; index < others.length; index += 1) {
      const other = others[index];
      if (!other || other.first > last) break;
      const from = other.first > first ? other.first : first;
      const to = other.last < last ? other.last : last;
      if (to >= from) sum += to - from + 1n;
      // It may reach into the next range too.
      if (other.last > last) break;
    }
  }
  return sum;
}

export interface MemoryCoverage {
  ramBytes: bigint;
  /** Of the RAM. What is not is zeros that the tool leaves out (AVML: whole blocks of 16 MiB), or was not read. */
  coveredBytes: bigint;
  /** Of the image, at addresses that are no RAM. */
  outsideBytes: bigint;
  /** Parts of the kernel that are not wholly there. */
  missingKernelParts: string[];
}

export function coverageOf(covered: readonly AddressRange[], { ram, kernel }: PhysicalMemory): MemoryCoverage {
  const coveredBytes = commonBytes(covered, ram);
  return {
    ramBytes: sizeOf(ram),
    coveredBytes,
    outsideBytes: sizeOf(covered) - coveredBytes,
    missingKernelParts: kernel.filter((part) => commonBytes(covered, [part]) < sizeOf([part])).map((part) => part.name),
  };
}

/** What the suspect told beside its memory; either may be missing. */
export interface KernelDescription {
  /** `/proc/version`. */
  version?: string;
  /** `/proc/iomem`. */
  iomem?: string;
}

export interface MemoryImageJudgement {
  /** Why the image is of no use; absent when nothing speaks against it. */
  problem?: string;
  /** What was checked, and what could not be; one sentence each. */
  notes: string[];
}

/** Holds an image against what the kernel it was taken from says of itself. */
export function judgeMemoryImage(image: MemoryImageFacts, kernel: KernelDescription): MemoryImageJudgement {
  const notes = [
    `LiME image of ${image.ranges} ranges with ${image.memoryBytes} bytes of memory; blocks of zeros may be left out`,
  ];
  if (image.banner !== undefined) notes.push(`kernel banner: ${image.banner}`);
  if (image.problem !== undefined) return { problem: image.problem, notes };

  const expected = kernel.version === undefined ? undefined : bannerOf(kernel.version);
  if (expected === undefined) {
    notes.push('not checked: whether the banner is the running kernel’s, since /proc/version was not had');
  } else if (image.banner !== expected) {
    const found = image.banner ?? 'none';
    return { problem: `the running kernel’s banner (/proc/version) is not in it; it holds ${found}`, notes };
  } else {
    notes.push('the banner is that of /proc/version');
  }

  const memory = kernel.iomem === undefined ? undefined : readIomem(kernel.iomem);
  if (!memory) {
    notes.push('not checked: whether the ranges are those of /proc/iomem, which was not had or hides addresses');
    return { notes };
  }
  const { ramBytes, coveredBytes, outsideBytes, missingKernelParts } = coverageOf(image.covered, memory);
  const percent = Number((coveredBytes * 1000n) / ramBytes) / 10;
  notes.push(
    `${coveredBytes} of ${ramBytes} bytes of System RAM (${percent} %) are in it; ` +
      'the others are blocks of zeros that the tool leaves out, or were not read',
  );
  if (outsideBytes > 0n) notes.push(`doubtful: ${outsideBytes} bytes of it lie outside of System RAM`);
  if (coveredBytes === 0n) return { problem: 'nothing of it lies in the System RAM of /proc/iomem', notes };
  if (missingKernelParts.length > 0) {
    return { problem: `not all of the kernel is in it: ${missingKernelParts.join(', ')} (/proc/iomem) is cut`, notes };
  }
  return { notes };
}

/** What symbol tables are matched by; the format string of the kernel itself has `%s` in place of the number. */
const BANNER = /^Linux version \d+\.\d+\.\d+[\x20-\x7e]{0,480}/;
/** No banner is longer. */
export const BANNER_MAXIMUM = 512;

/** The kernel banner that a text begins with. */
export const bannerOf = (text: string): string | undefined => BANNER.exec(text)?.[0];
