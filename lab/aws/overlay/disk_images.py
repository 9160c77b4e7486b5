"""The bytes of volumes and snapshots: sparse files, one a volume or snapshot."""

import errno
import fcntl
import os

from .support import DATA

GIB = 1 << 30
# ioctl_ficlone(2): share the blocks of another file, each copied when one of the two is written.
FICLONE = 0x40049409
PIECE = 64 << 20


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
    """Copy what is written, at this instant; grown to size_gib when the target disk is larger.

    Copy-on-write where the file system can do that (XFS, Btrfs): then it takes no time whatever the size.
    """
    partial = target.with_suffix(".partial")
    with open(source, "rb") as read, open(partial, "wb") as write:
        if not clone(read.fileno(), write.fileno()):
            copy_written(read.fileno(), write.fileno())
        length = max(os.fstat(read.fileno()).st_size, int(size_gib) * GIB)
        os.ftruncate(write.fileno(), length)
    os.replace(partial, target)


def clone(source, target):
    try:
        fcntl.ioctl(target, FICLONE, source)
        return True
    except OSError as reason:
        if reason.errno in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL):
            return False
        raise


def copy_written(source, target):
    for start, end in extents(source):
        position = start
        while position < end:
            copied = os.copy_file_range(source, target, min(PIECE, end - position), position, position)
            if copied == 0:
                raise OSError(errno.EIO, f"the disk image became shorter than {position} bytes while it was copied")
            position += copied


def extents(descriptor):
    """(start, end) of each stretch that holds data, from the file system's map of the sparse file."""
    position = 0
    while True:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as reason:
            if reason.errno == errno.ENXIO:
                return  # no more data
            raise
        position = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, position


def remove(path):
    path.unlink(missing_ok=True)
