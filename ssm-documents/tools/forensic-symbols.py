#!/usr/bin/env python3
"""
Makes the symbols that Volatility 3 needs for a Linux memory image, from the image alone: no debug package, no network.

    forensic-symbols IMAGE OUT_DIR [--volatility PACKAGE_DIR]

Writes OUT_DIR/linux/<SHA-256 of the banner>.json.xz and prints one JSON line
{kernel, banner, fiveLevelPaging, symbols, types, file}; fiveLevelPaging is null where the image does not say.
IMAGE: raw, LiME or ELF core of an x86-64 kernel. Exits 1 with one line that says why where there is nothing to be had.
"""

import argparse
import hashlib
import importlib.util
import json
import lzma
import os
import re
import sys

from btf_types import SymbolFileTypes
from kernel_tables import KernelTraces, find_btf, find_kallsyms
from memory_image import MemoryImage, UnusableImage
from symbol_file import build_symbol_file, words_of_volatility


def volatility_package():
    """The volatility3 package of the interpreter that runs this, or None."""
    spec = importlib.util.find_spec("volatility3")
    return next(iter(spec.submodule_search_locations or []), None) if spec else None


def resolve_symbols(image_path, out_dir, package):
    with MemoryImage(image_path) as image:
        traces = KernelTraces(image)
        if traces.banner is None:
            raise UnusableImage(f"no Linux kernel banner in {image_path}: it is not a Linux memory image, or damaged")
        types = SymbolFileTypes(find_btf(image, traces))
        symbols = find_kallsyms(image, traces)
    words = words_of_volatility(package) if package else None
    document = build_symbol_file(traces.banner, types, symbols, words)

    folder = os.path.join(out_dir, "linux")
    os.makedirs(folder, exist_ok=True)
    target = os.path.join(folder, hashlib.sha256(traces.banner).hexdigest() + ".json.xz")
    # Lightly packed: the file serves this one examination, and packing well takes longer than a plugin.
    with lzma.open(target + ".part", "wb", preset=1) as file:
        file.write(json.dumps(document, separators=(",", ":")).encode())
    os.replace(target + ".part", target)
    return {
        "kernel": re.match(rb"Linux version (\S+)", traces.banner).group(1).decode("latin1"),
        "banner": traces.banner.decode("latin1").rstrip("\n"),
        "fiveLevelPaging": traces.five_level_paging,
        "symbols": len(document["symbols"]),
        "types": len(document["user_types"]),
        "file": target,
    }


def main():
    parser = argparse.ArgumentParser(prog="forensic-symbols", description="Volatility 3 symbols from a memory image.")
    parser.add_argument("image")
    parser.add_argument("out_dir")
    parser.add_argument(
        "--volatility", metavar="PACKAGE_DIR", help="the volatility3 package; found by itself where it is installed"
    )
    arguments = parser.parse_args()
    try:
        package = arguments.volatility or volatility_package()
        print(json.dumps(resolve_symbols(arguments.image, arguments.out_dir, package)))
    except (UnusableImage, OSError) as error:
        sys.exit(f"forensic-symbols: {error}")


if __name__ == "__main__":
    main()
