#!/usr/bin/env python3
"""Gives the files in an unmounted XFS file system the modification times of a folder tree.

    xfs-inode-times.py ROOT_FOLDER FILE_SYSTEM

`mkfs.xfs -p` gives every file the time of the call, and xfs_db cannot write times of a `bigtime` file system. So the
inodes are found with xfs_db, and their four times and checksum are written in place (XFS on-disk format, xfs_dinode).
"""

import os
import re
import struct
import subprocess
import sys

INODE_BYTES = 512
TIMES = (32, 40, 48, 144)  # access, modification, change, creation
CHECKSUM = 100
FLAGS2 = 120
BIGTIME = 8
BIGTIME_EPOCH = 1 << 31  # seconds: bigtime counts nanoseconds from the oldest time that 32 bits could hold


def checksum_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ 0x82F63B78 if value & 1 else value >> 1
        table.append(value)
    return table


TABLE = checksum_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def files_of(root):
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            yield os.path.relpath(os.path.join(folder, name), root)


def inode_offsets(file_system, paths):
    """Byte offsets, in the order of the paths, from one xfs_db session."""
    commands = "".join(f"path /{path}\naddr\n" for path in paths)
    session = ["xfs_db", "-r", file_system]
    output = subprocess.run(session, input=commands, capture_output=True, text=True, check=True).stdout
    offsets = [int(offset) for offset in re.findall(rf"byte offset (\d+), length {INODE_BYTES}", output)]
    if len(offsets) != len(paths):
        sys.exit(f"{file_system}: xfs_db found {len(offsets)} of {len(paths)} inodes")
    return offsets


def with_times(inode, seconds):
    bigtime = struct.unpack_from(">Q", inode, FLAGS2)[0] & BIGTIME
    stamp = struct.pack(">Q", (seconds + BIGTIME_EPOCH) * 10**9) if bigtime else struct.pack(">iI", seconds, 0)
    for offset in TIMES:
        inode[offset : offset + 8] = stamp
    inode[CHECKSUM : CHECKSUM + 4] = bytes(4)
    inode[CHECKSUM : CHECKSUM + 4] = struct.pack("<I", crc32c(inode))
    return inode


def main():
    root, file_system = sys.argv[1:]
    paths = list(files_of(root))
    with open(file_system, "r+b") as file:
        for path, offset in zip(paths, inode_offsets(file_system, paths)):
            file.seek(offset)
            inode = bytearray(file.read(INODE_BYTES))
            if inode[:2] != b"IN":
                sys.exit(f"{file_system}: no inode of /{path} at byte {offset}")
            file.seek(offset)
            file.write(with_times(inode, int(os.lstat(os.path.join(root, path)).st_mtime)))


if __name__ == "__main__":
    main()
