"""The areas of a disk, and what their first bytes say that they hold: partitions (GPT, MBR) or the disk as a whole.

What is read was written by whoever had the disk: sizes and counts are bounded, and nothing of it is used as text.
"""

import os
import struct
from dataclasses import dataclass

SECTOR = 512
MEBIBYTE = 1 << 20
HEAD_BYTES = 66 * 1024  # up to the superblock of Btrfs
MOST_PARTITIONS = 256

# Mixed-endian, as GPT stores it: 21686148-6449-6E6F-744E-656564454649.
BIOS_BOOT = b"Hah!IdontNeedEFI"
EXTENDED = (0x05, 0x0F, 0x85)

# (offset, bytes, name). Sources: each file system's on-disk format; cryptsetup's LUKS1 and LUKS2 specifications;
# lvm2's lib/label/label.h (one of the first four sectors); md(4), metadata 1.1 and 1.2.
MAGICS = (
    (0, b"LUKS\xba\xbe", "luks"),
    (3, b"-FVE-FS-", "bitlocker"),
    *((sector * SECTOR, b"LABELONE", "lvm") for sector in range(4)),
    (0, b"\xfc\x4e\x2b\xa9", "raid"),
    (4096, b"\xfc\x4e\x2b\xa9", "raid"),
    (0, b"XFSB", "xfs"),
    (0x10040, b"_BHRfS_M", "btrfs"),
    (4086, b"SWAPSPACE2", "swap"),
    (1080, b"\x53\xef", "ext"),
    (3, b"NTFS    ", "ntfs"),
    (54, b"FAT", "fat"),
    (82, b"FAT32", "fat"),
)


@dataclass
class Area:
    """A range of bytes of the disk. `partition` and `volume` (of LVM) are the numbers that plaso gives; 0: none."""

    start: int
    size: int
    holds: str
    partition: int = 0
    volume: int = 0


class Disk:
    def __init__(self, path):
        self.file = open(path, "rb")
        self.size = self.file.seek(0, os.SEEK_END)

    def read(self, start, count):
        if start < 0 or start >= self.size:
            return b""
        self.file.seek(start)
        return self.file.read(min(count, self.size - start))


def is_blank(disk, start, size):
    """A file system has something in its first MiB; so has a partition table, whose copy lies in the last."""
    ends = (disk.read(start, min(size, MEBIBYTE)), disk.read(max(start, start + size - MEBIBYTE), min(size, MEBIBYTE)))
    return all(end.count(0) == len(end) for end in ends)


def content_of(disk, start, size):
    head = disk.read(start, min(size, HEAD_BYTES))
    for offset, magic, name in MAGICS:
        if head[offset : offset + len(magic)] == magic:
            return name
    return "blank" if is_blank(disk, start, size) else "unknown"


def gpt_partitions(disk):
    """(number, start, size, type) of each entry in use; the number is the entry's."""
    for sector in (SECTOR, 4096):
        header = disk.read(sector, 92)
        if header[:8] == b"EFI PART" and len(header) == 92:
            break
    else:
        return []
    table, count, entry_bytes = struct.unpack_from("<QII", header, 72)
    if not 128 <= entry_bytes <= 4096:
        return []
    found = []
    for number in range(1, min(count, MOST_PARTITIONS) + 1):
        entry = disk.read(table * sector + (number - 1) * entry_bytes, 128)
        if len(entry) < 128 or entry[:16] == bytes(16):
            continue
        first, last = struct.unpack_from("<QQ", entry, 32)
        if first <= last:
            found.append((number, first * sector, (last - first + 1) * sector, entry[:16]))
    return found


def mbr_entries(disk, start):
    record = disk.read(start, SECTOR)
    if len(record) < SECTOR or record[510:] != b"\x55\xaa":
        return
    for offset in range(446, 510, 16):
        kind = record[offset + 4]
        first, count = struct.unpack_from("<II", record, offset + 8)
        if record[offset] in (0, 0x80) and kind != 0 and count > 0:
            yield kind, first, count


def mbr_partitions(disk):
    """The four entries, and the chain of logical ones; numbered in the order in which they lie on the disk."""
    ranges, extended = [], None
    for kind, first, count in mbr_entries(disk, 0):
        if kind in EXTENDED:
            extended = first
        else:
            ranges.append((first, count))
    record, seen = extended, set()
    while record is not None and record not in seen and len(seen) < MOST_PARTITIONS:
        seen.add(record)
        following = None
        for kind, first, count in mbr_entries(disk, record * SECTOR):
            if kind in EXTENDED:
                following = extended + first
            else:
                ranges.append((record + first, count))
        record = following
    return [
        (number, first * SECTOR, count * SECTOR, b"")
        for number, (first, count) in enumerate(sorted(ranges), start=1)
        if first * SECTOR < disk.size
    ]


def areas_of(disk):
    """The disk as one area where it begins with something known: a boot sector of FAT looks like a partition table."""
    whole = content_of(disk, 0, disk.size)
    if whole not in ("unknown", "blank"):
        return [Area(0, disk.size, whole)]
    partitions = gpt_partitions(disk) or mbr_partitions(disk)
    return [
        Area(start, size, "boot" if kind == BIOS_BOOT else content_of(disk, start, size), partition=number)
        for number, start, size, kind in partitions
    ] or [Area(0, disk.size, whole)]
