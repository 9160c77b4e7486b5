#!/usr/bin/env python3
"""Reduces a LiME memory image to the pages that Volatility 3 reads; all other pages become zero, the layout stays.

    reduce-memory.py IN.lime OUT.lime SYMBOL_FOLDER CACHE_FOLDER PLUGIN...

Run with the Python that has volatility3; both folders must exist. For test/fixtures/memory-linux-6.1.lime: evidence
small enough for a repository, and no whole acquisition any more. Kept besides: pages around banners, the first task and
VMCOREINFO (whole-image searches start there), LiME's headers, and the kernel's read-only data (found by the BTF type
information in it), from which symbols are made.
"""

import io
import struct
import sys

from volatility3 import cli
from volatility3.framework.layers import physical

PAGE = 4096
SCAN_BYTES = 4 * PAGE  # a longer read is a search through the whole image, which would keep every page
LANDMARKS = (b"Linux version ", b"swapper/0\0", b"OSRELEASE=")
LIME_HEADER = struct.Struct("<IIQQQ")  # magic, version, first address, last address, reserved
# magic, version, flags, header size, types at, their size, names at, their size
BTF_HEADER = struct.Struct("<HBBIIIII")
BTF_MAGIC = b"\x9f\xeb\x01\x00"
READ_ONLY_BEFORE_BTF, READ_ONLY_AFTER_BTF = 12 << 20, 4 << 20  # kallsyms lies before BTF, within .rodata


def pages_of(start, length):
    return range(max(start, 0) // PAGE, (start + max(length, 1) - 1) // PAGE + 1)


def pages_read_by(plugins, image, symbols, cache):
    """Runs the plugins, and records each page that they read from the image."""
    touched = set()
    original_read = physical.FileLayer.read

    def recording_read(layer, offset, length, pad=False):
        if length <= SCAN_BYTES:
            touched.update(pages_of(offset, length))
        return original_read(layer, offset, length, pad)

    physical.FileLayer.read = recording_read
    for plugin in plugins:
        options = ["-q", "--offline", "--cache-path", cache, "-s", symbols, "-f", image, "-r", "jsonl"]
        sys.argv = ["vol", *options, plugin]
        output, sys.stdout = sys.stdout, io.StringIO()
        try:
            cli.main()
        except SystemExit:
            pass  # how the command line of Volatility ends, also when all went well
        finally:
            rows, sys.stdout = sys.stdout.getvalue().count("\n{"), output
        print(f"{plugin}: {rows} rows, {len(touched)} pages so far")
        if rows == 0:
            sys.exit(f"{plugin} found nothing: the reduced image would be worth nothing for it")
    return touched


def positions(data, pattern):
    at = data.find(pattern)
    while at >= 0:
        yield at
        at = data.find(pattern, at + 1)


def pages_of_landmarks(data):
    for pattern in LANDMARKS:
        for at in positions(data, pattern):
            yield from pages_of(at - PAGE, 3 * PAGE)


def pages_of_read_only_data(data):
    """Around the kernel's own BTF, the largest in the image: modules carry small ones."""
    best = (0, 0)
    for at in positions(data, BTF_MAGIC):
        if at + BTF_HEADER.size > len(data):
            continue
        _, _, _, header, _, types, names_at, names = BTF_HEADER.unpack_from(data, at)
        if header == BTF_HEADER.size and names_at == types and types + names < 64 << 20:
            best = max(best, (header + types + names, at))
    size, at = best
    if size == 0:
        sys.exit("the image has no BTF: symbols cannot be made from it")
    return pages_of(at - READ_ONLY_BEFORE_BTF, READ_ONLY_BEFORE_BTF + size + READ_ONLY_AFTER_BTF)


def lime_headers(data):
    at = 0
    while at + LIME_HEADER.size <= len(data):
        _, _, first, last, _ = LIME_HEADER.unpack_from(data, at)
        yield at, data[at : at + LIME_HEADER.size]
        at += LIME_HEADER.size + last - first + 1


def main():
    image, reduced, symbols, cache, *plugins = sys.argv[1:]
    pages = pages_read_by(plugins, image, symbols, cache)
    with open(image, "rb") as file:
        data = file.read()
    pages.update(pages_of_landmarks(data), pages_of_read_only_data(data))
    with open(reduced, "wb") as file:
        for page in sorted(pages):
            content = data[page * PAGE : (page + 1) * PAGE]
            if any(content):  # what is zero anyway stays a hole
                file.seek(page * PAGE)
                file.write(content)
        for at, header in lime_headers(data):
            file.seek(at)
            file.write(header)
        file.truncate(len(data))


if __name__ == "__main__":
    main()
