#!/usr/bin/env python3
"""Says what lies on an evidence volume, and which of it a timeline covers.

    volume-layout DEVICE [TIMELINE]    TIMELINE: what psort wrote with -o json_line

Prints a line per area (the disk, a partition, a logical volume) of four words that tabs separate, none of them text from
the disk: what it holds (ext, xfs, swap, luks, blank, unknown, ...), its size in bytes, its place, and `read`, `unread` or,
without a timeline, `-`.
"""

import json
import sys

from disk_areas import Disk, areas_of
from logical_volume_areas import logical_volumes

PARTITION_TABLES = ("GPT", "TSK_PARTITION", "MBR")


def layout_of(path):
    disk = Disk(path)
    found = []
    for area in areas_of(disk):
        found += logical_volumes(disk, area) if area.holds == "lvm" else [area]
    return found


def place_of(area):
    places = [f"partition {area.partition}"] if area.partition else []
    places += [f"logical volume {area.volume}"] if area.volume else []
    return ", ".join(places) or "the whole disk"


def location_number(spec):
    digits = "".join(filter(str.isdigit, str(spec.get("location", ""))))[:9]
    return int(digits or 0)


def areas_in(timeline):
    """(partition, logical volume) of everything that an event comes from."""
    found = set()
    with open(timeline, encoding="utf8", errors="replace") as lines:
        for line in lines:
            try:
                spec = json.loads(line).get("pathspec")
            except ValueError:
                continue
            partition = volume = 0
            known = False
            while isinstance(spec, dict):
                kind = spec.get("type_indicator")
                if kind in PARTITION_TABLES:
                    partition = location_number(spec)
                elif kind == "LVM":
                    volume = location_number(spec)
                known = known or kind not in ("OS", "RAW", "LVM", *PARTITION_TABLES)
                spec = spec.get("parent")
            if known:
                found.add((partition, volume))
    return found


def main():
    device, *timelines = sys.argv[1:]
    areas = layout_of(device)
    read = areas_in(timelines[0]) if timelines else None
    for area in areas:
        state = "-" if read is None else "read" if (area.partition, area.volume) in read else "unread"
        print(area.holds, area.size, place_of(area), state, sep="\t")


if __name__ == "__main__":
    main()
