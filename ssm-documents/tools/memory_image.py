"""Reads physical memory out of an image file: LiME (as LiME and AVML write it), ELF core, or raw."""

import os
import struct

LIME_MAGIC = 0x4C694D45
AVML_COMPRESSED_MAGIC = 0x4C4D5641
LIME_HEADER = struct.Struct("<IIQQQ")  # magic, version, first and last physical address, reserved
ELF_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
ELF_LOAD = 1

CHUNK = 16 << 20
# Longer than anything that is searched for, so that nothing is lost where two chunks meet.
OVERLAP = 4096


class UnusableImage(Exception):
    """The image cannot give what is asked for; the text says why."""


class MemoryImage:
    """Ranges of physical memory. What the file leaves out (AVML drops all-zero 16 MiB blocks) reads as zeros."""

    def __init__(self, path):
        self.path = path
        self.file = open(path, "rb")
        self.size = os.fstat(self.file.fileno()).st_size
        self.ranges = sorted(self._find_ranges())  # (physical address, length, offset in the file)
        if not self.ranges:
            raise UnusableImage(f"{path} holds no memory: it is empty")

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.file.close()

    def _find_ranges(self):
        start = self._read_file(0, 64)
        if len(start) >= 4:
            magic = struct.unpack_from("<I", start)[0]
            if magic == LIME_MAGIC:
                return self._lime_ranges()
            if magic == AVML_COMPRESSED_MAGIC:
                raise UnusableImage(f"{self.path} is a compressed AVML image: convert it first (avml convert)")
            if start[:4] == b"\x7fELF":
                return self._elf_ranges(start)
        return [(0, self.size, 0)] if self.size else []

    def _read_file(self, offset, length):
        self.file.seek(offset)
        return self.file.read(length)

    def _lime_ranges(self):
        ranges, offset = [], 0
        while offset + LIME_HEADER.size <= self.size:
            magic, _version, first, last, _reserved = LIME_HEADER.unpack(self._read_file(offset, LIME_HEADER.size))
            if magic != LIME_MAGIC or last < first:
                raise UnusableImage(f"{self.path} is damaged: no LiME header at byte {offset}")
            length = last - first + 1
            if offset + LIME_HEADER.size + length > self.size:
                raise UnusableImage(f"{self.path} is cut off: the range at byte {offset} is not whole")
            ranges.append((first, length, offset + LIME_HEADER.size))
            offset += LIME_HEADER.size + length
        return ranges

    def _elf_ranges(self, start):
        if start[4:6] != b"\x02\x01":
            raise UnusableImage(f"{self.path} is an ELF file, but not a 64-bit little-endian one")
        table, entry_size, entries = struct.unpack_from("<Q14xHH", start, 32)
        ranges = []
        for index in range(entries):
            entry = self._read_file(table + index * entry_size, ELF_PROGRAM_HEADER.size)
            if len(entry) < ELF_PROGRAM_HEADER.size:
                raise UnusableImage(f"{self.path} is damaged: its ELF program headers are cut off")
            kind, _flags, offset, _virtual, physical, length, _memory, _align = ELF_PROGRAM_HEADER.unpack(entry)
            if kind == ELF_LOAD and length:
                ranges.append((physical, length, offset))
        return ranges

    def read(self, address, length):
        """`length` bytes from a physical address on."""
        found = bytearray(length)
        for start, size, offset in self.ranges:
            first, last = max(address, start), min(address + length, start + size)
            if first < last:
                part = self._read_file(offset + first - start, last - first)
                found[first - address : first - address + len(part)] = part
        return bytes(found)

    def chunks(self):
        """
        Yields (physical address, bytes) of all memory once, in order of address. Each chunk begins with the last
        OVERLAP bytes of the one before where both are neighbours in memory (they may not be neighbours in the file).
        """
        tail, tail_end = b"", -1
        for start, size, offset in self.ranges:
            for position in range(0, size, CHUNK):
                part = self._read_file(offset + position, min(CHUNK, size - position))
                address = start + position
                if tail_end == address:
                    yield address - len(tail), tail + part
                else:
                    yield address, part
                tail, tail_end = part[-OVERLAP:], address + len(part)
