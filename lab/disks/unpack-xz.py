#!/usr/bin/env python3
"""Unpacks an .xz file into a sparse file: blocks of zeros take no room on the disk.

    unpack-xz.py IN.xz OUT
"""

import lzma
import sys

BLOCK = 1 << 16


def main():
    source, target = sys.argv[1:]
    size = 0
    with lzma.open(source) as packed, open(target, "wb") as file:
        while block := packed.read(BLOCK):
            if block.count(0) == len(block):
                file.seek(len(block), 1)
            else:
                file.write(block)
            size += len(block)
        file.truncate(size)


if __name__ == "__main__":
    main()
