"""Where the logical volumes of an LVM2 physical volume lie on the disk.

On-disk format: lvm2's lib/label/label.h and lib/format_text/layout.h; the metadata is text in the form of lvm.conf(5).
"""

import re
import struct

from disk_areas import SECTOR, Area, content_of

LARGEST_METADATA = 16 << 20
DEEPEST = 16
TOKEN = re.compile(r'#[^\n]*|"(?:[^"\\]|\\.)*"|[{}\[\]=,]|[^\s{}\[\]=,"#]+')


class Unreadable(Exception):
    """The metadata is not as lvm2 writes it."""


def tokens_of(text):
    return [token for token in TOKEN.findall(text) if not token.startswith("#")]


def parse_section(tokens, position=0, depth=0):
    """(section, position after it): names with values, lists of values, or sections; in the order of the text."""
    if depth > DEEPEST:
        raise Unreadable("sections lie too deep")
    section = {}
    while position < len(tokens) and tokens[position] != "}":
        name = tokens[position]
        follows = tokens[position + 1] if position + 1 < len(tokens) else ""
        if follows == "{":
            section[name], position = parse_section(tokens, position + 2, depth + 1)
        elif follows == "=":
            section[name], position = parse_value(tokens, position + 2)
        else:
            raise Unreadable("a name without a value")
    return section, position + 1


def parse_value(tokens, position):
    if position >= len(tokens):
        raise Unreadable("a value is missing")
    if tokens[position] != "[":
        return tokens[position].strip('"'), position + 1
    values = []
    position += 1
    while position < len(tokens) and tokens[position] != "]":
        if tokens[position] != ",":
            values.append(tokens[position].strip('"'))
        position += 1
    return values, position + 1


def read_metadata(disk, start):
    """(identifier of this physical volume, the text of its volume group) from the label and the first metadata area."""
    for sector in range(4):
        label = disk.read(start + sector * SECTOR, SECTOR)
        if label[:8] == b"LABELONE":
            break
    else:
        raise Unreadable("no label")
    offset = struct.unpack_from("<I", label, 20)[0]
    try:
        identifier = label[offset : offset + 32].decode("ascii")
        position = offset + 40
        while struct.unpack_from("<Q", label, position)[0]:  # data areas
            position += 16
        area = struct.unpack_from("<Q", label, position + 16)[0]
        text_offset, text_size = struct.unpack_from("<QQ", disk.read(start + area, SECTOR), 40)
    except (struct.error, UnicodeDecodeError) as fault:
        raise Unreadable("the label is damaged") from fault
    if area == 0 or not 0 < text_size <= LARGEST_METADATA:
        raise Unreadable("no metadata here")
    return identifier, disk.read(start + area + text_offset, text_size).decode("utf8", "replace").rstrip("\0\n")


def sections(section, name):
    found = section.get(name)
    return [value for value in found.values() if isinstance(value, dict)] if isinstance(found, dict) else []


def extents_of(volume):
    return sum(int(segment["extent_count"]) for segment in volume.values() if isinstance(segment, dict))


def first_byte(volume, group, here):
    """Where a logical volume begins on the disk, in bytes from the physical volume's start; None: not on this one."""
    segment = volume.get("segment1")
    if not isinstance(segment, dict) or segment.get("type") != "striped" or segment.get("stripe_count") != "1":
        return None
    name, extent = segment["stripes"]
    physical = group["physical_volumes"][name]
    if physical["id"].replace("-", "") != here:
        return None
    return (int(physical["pe_start"]) + int(extent) * int(group["extent_size"])) * SECTOR


def logical_volumes(disk, physical):
    """The logical volumes in `physical`, an Area; the area itself, held to be `lvm`, where they cannot be told."""
    try:
        here, text = read_metadata(disk, physical.start)
        (group,) = (value for value in parse_section(tokens_of(text))[0].values() if isinstance(value, dict))
        found = []
        for number, volume in enumerate(sections(group, "logical_volumes"), start=1):
            size = extents_of(volume) * int(group["extent_size"]) * SECTOR
            first = first_byte(volume, group, here)
            start = physical.start + (first or 0)
            holds = "elsewhere" if first is None else content_of(disk, start, size)
            found.append(Area(start, size, holds, physical.partition, number))
        return found or [physical]
    except (Unreadable, KeyError, ValueError, TypeError, AttributeError):
        return [physical]
