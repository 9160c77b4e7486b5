"""
Finds in a memory image what the kernel knows about itself: its banner, its types (BTF) and its symbols (kallsyms).

All three lie in the kernel's read-only data, which is contiguous in physical memory, so no page tables are needed.
Holds for x86-64 kernels built with CONFIG_DEBUG_INFO_BTF and CONFIG_KALLSYMS_ALL (most distributions since 2020).
"""

import re
import struct

from btf_types import BrokenBtf, Btf
from memory_image import UnusableImage

# linux_banner has the build counter and ends with a line feed; linux_proc_banner is a format string with percent signs.
BANNER = re.compile(rb"Linux version [0-9][^\0%\n]{20,400}#[0-9]+[^\0%\n]{5,120}\n")
# VMCOREINFO's own line about 5-level page tables.
FIVE_LEVEL = re.compile(rb"NUMBER\(pgtable_l5_enabled\)=([01])")
BTF_START = b"\x9f\xeb\x01\x00\x18\0\0\0\0\0\0\0"  # magic, version 1, no flags, header of 24 bytes, types first
BTF_HEADER = struct.Struct("<HBBIIIII")
# The kernel's own types; modules carry small ones of the same form.
BTF_SMALLEST_TYPES, BTF_SMALLEST_STRINGS, BTF_LARGEST = 1 << 19, 1 << 17, 64 << 20
# In the token table of kallsyms the digits stand for themselves, one after the other.
TOKEN_DIGITS = b"\x000\x001\x002\x003\x004\x005\x006\x007\x008\x009\x00"
TOKENS_BEFORE_DIGITS = 48
TABLES_BEFORE_TOKENS, TABLES_AFTER_TOKENS = 12 << 20, 4 << 20
FEWEST_SYMBOLS, MOST_SYMBOLS = 20_000, 600_000
SYMBOL_LETTERS = frozenset(b"aAbBdDrRtTvVwW")
MARKER_EVERY = 256
KERNEL_HALF = 0xFFFFFFFF80000000


class KernelTraces:
    """Where in physical memory the pieces may lie, from one pass over the image."""

    def __init__(self, image):
        self.banner = None
        self.five_level_paging = None
        self.btf = set()
        self.tokens = set()
        for address, data in image.chunks():
            if self.banner is None and (match := BANNER.search(data)):
                self.banner = match.group(0)
            if self.five_level_paging is None and (match := FIVE_LEVEL.search(data)):
                self.five_level_paging = match.group(1) == b"1"
            self.btf.update(address + offset for offset in _all_offsets(data, BTF_START))
            self.tokens.update(address + offset for offset in _all_offsets(data, TOKEN_DIGITS))


def _all_offsets(data, pattern):
    offset = data.find(pattern)
    while offset >= 0:
        yield offset
        offset = data.find(pattern, offset + 1)


def find_btf(image, traces):
    """The kernel's BTF: the largest whole one. A copy in the page cache may be scattered, and then does not parse."""
    candidates = []
    for address in traces.btf:
        header = BTF_HEADER.unpack(image.read(address, BTF_HEADER.size))
        header_size, types_size, strings_at, strings_size = header[3], header[5], header[6], header[7]
        size = header_size + strings_at + strings_size
        if strings_at != types_size or size > BTF_LARGEST:
            continue
        if types_size > BTF_SMALLEST_TYPES and strings_size > BTF_SMALLEST_STRINGS:
            candidates.append((size, address))
    for size, address in sorted(candidates, reverse=True):
        try:
            return Btf(image.read(address, size))
        except BrokenBtf:
            continue
    raise UnusableImage(
        "no kernel BTF in the image: the kernel was built without CONFIG_DEBUG_INFO_BTF, so its debug package is needed"
    )


def find_kallsyms(image, traces):
    """{symbol: virtual address} as /proc/kallsyms has them (KASLR shift included); the first one of a name counts."""
    for digits in sorted(traces.tokens):
        window_start = max(0, digits - TABLES_BEFORE_TOKENS) & ~7
        window = image.read(window_start, digits - window_start + TABLES_AFTER_TOKENS)
        symbols = _kallsyms_in(window, digits - window_start)
        if symbols:
            return symbols
    raise UnusableImage(
        "no kallsyms tables in the image: the kernel was built without CONFIG_KALLSYMS_ALL, or memory is smeared"
    )


def _aligned(offset, step):
    return (offset + step - 1) // step * step


def _token_table(data, digits):
    """(start of the token table, start of the index after it, tokens), or None where it is something else."""
    start = digits
    for _ in range(TOKENS_BEFORE_DIGITS):
        start = data.rfind(b"\0", 0, start)
        if start < 0:
            return None
    start += 1
    tokens, offsets, position = [], [], start
    for _ in range(256):
        end = data.find(b"\0", position)
        if end < 0:
            return None
        tokens.append(data[position:end])
        offsets.append(position - start)
        position = end + 1
    if offsets[-1] > 0xFFFF:
        return None
    index = data.find(struct.pack("<256H", *offsets), position, position + 16 + 512)
    return (start, index, tokens) if index >= 0 else None


def _kallsyms_in(data, digits):
    table = _token_table(data, digits)
    if table is None:
        return None
    start, index, tokens = table
    words = memoryview(data)[: start & ~3].cast("I")
    for word in range(len(words) - 2, 0, -1):
        count = words[word]
        if not FEWEST_SYMBOLS <= count <= MOST_SYMBOLS or words[word + 1]:
            continue
        symbols = _symbols_at(data, word * 4, count, tokens, start, index)
        if symbols:
            return symbols
    return None


def _entry(data, position):
    """(start, end) of a compressed name; its length takes one byte, or two for long names."""
    length = data[position]
    position += 1
    if length & 0x80:
        length = length & 0x7F | data[position] << 7
        position += 1
    return position, position + length


def _names_end(data, position, count, limit):
    """(end of the names, markers as the kernel keeps them: the offset of every 256th name), or None."""
    start, markers = position, []
    for number in range(count):
        if number % MARKER_EVERY == 0:
            markers.append(position - start)
        first, end = _entry(data, position)
        if first == end or end > limit:
            return None
        position = end
    return position, markers


def _names(data, position, count, tokens):
    for _ in range(count):
        first, position = _entry(data, position)
        yield b"".join(map(tokens.__getitem__, data[first:position]))


def _symbols_at(data, at, count, tokens, limit, index):
    """Reads the tables as if kallsyms_num_syms were at `at`; None unless the kernel's own markers agree."""
    names_at = at + 8
    if _names_end(data, names_at, 4, limit) is None:
        return None
    if any(len(name) < 2 or name[0] not in SYMBOL_LETTERS for name in _names(data, names_at, 4, tokens)):
        return None
    walked = _names_end(data, names_at, count, limit)
    if walked is None:
        return None
    names_end, markers = walked
    packed = struct.pack(f"<{len(markers)}I", *markers)
    if not any(data.startswith(packed, _aligned(names_end, step)) for step in (8, 4)):
        return None
    for offsets_at, base_at in _offset_tables(at, count, index):
        if offsets_at < 0 or base_at + 8 > len(data):
            continue
        base = struct.unpack_from("<Q", data, base_at)[0]
        if base >= KERNEL_HALF and base & 0xFFF == 0:
            offsets = struct.unpack_from(f"<{count}i", data, offsets_at)
            return _with_addresses(base, offsets, _names(data, names_at, count, tokens))
    return None


def _offset_tables(at, count, index):
    """Where (offsets, relative base) lie: before kallsyms_num_syms up to Linux 6.3, after the token index since 6.4."""
    yield at - 8 - _aligned(4 * count, 8), at - 8
    offsets_at = _aligned(index + 512, 8)
    yield offsets_at, _aligned(offsets_at + 4 * count, 8)


def _with_addresses(base, offsets, names):
    # With absolute per-CPU symbols the kernel's own symbols have negative offsets: base - 1 - offset.
    absolute_percpu = sum(offset < 0 for offset in offsets[:5000:7]) > 100 or offsets[-1] < 0
    symbols = {}
    for offset, name in zip(offsets, names):
        if absolute_percpu:
            address = offset if offset >= 0 else base - 1 - offset
        else:
            address = base + (offset & 0xFFFFFFFF)
        symbols.setdefault(name[1:].decode("latin1"), address & 0xFFFFFFFFFFFFFFFF)
    return symbols
