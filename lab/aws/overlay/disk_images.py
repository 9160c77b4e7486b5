"""The bytes of volumes and snapshots: sparse files, one a volume or snapshot."""

import os
import subprocess

from .support import DATA

GIB = 1 << 30


def volume_file(volume_id):
    return DATA / "volumes" / f"{volume_id}.img"


def snapshot_file(snapshot_id):
    return DATA / "snapshots" / f"{snapshot_id}.img"


def ensure_volume_file(volume_id, size_gib):
    """A volume without a file is a blank disk of its size; a volume grown by ModifyVolume grows its file."""
    path = volume_file(volume_id)
    path.touch()
    if path.stat().st_size < int(size_gib) * GIB:
        os.truncate(path, int(size_gib) * GIB)
    return path


def copy(source, target, size_gib):
    """Copy what is written, at this instant; grown to size_gib when the target disk is larger."""
    partial = target.with_suffix(".partial")
    subprocess.run(
        ["cp", "--sparse=always", "--reflink=auto", "--", str(source), str(partial)], check=True, capture_output=True
    )
    if partial.stat().st_size < int(size_gib) * GIB:
        os.truncate(partial, int(size_gib) * GIB)
    os.replace(partial, target)


def remove(path):
    path.unlink(missing_ok=True)
