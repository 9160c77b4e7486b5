"""Settings and the two tools that every module uses: `patch` and `AwsError`."""

import functools
import os
import tempfile
from pathlib import Path

from moto.core.exceptions import ServiceException

DATA = Path(os.environ.get("LAB_DATA", "lab-data")).resolve()
COPY_LIMIT = int(os.environ.get("LAB_COPY_LIMIT", "20"))
TRUST = os.environ.get("LAB_TRUST", "1") == "1"

for folder in ("volumes", "snapshots", "objects"):
    (DATA / folder).mkdir(parents=True, exist_ok=True)
# moto spills S3 objects over 5 MB into unnamed temporary files: keep them with the lab's state, not in a small /tmp.
tempfile.tempdir = str(DATA / "objects")


class AwsError(ServiceException):
    """An error in the wire format of the service that was called: AwsError(code, message)."""

    __module__ = "lab"  # moto reads the service of an error from its module's name; this one fits every service


def patch(cls, **replacements):
    """Replace methods of a moto class. Each replacement gets the replaced method as its first argument."""
    for name, replacement in replacements.items():
        original = getattr(cls, name, None)
        setattr(cls, name, _bound(replacement, original, name))


def _bound(replacement, original, name):
    def method(self, *args, **kwargs):
        return replacement(original, self, *args, **kwargs)

    if original is not None:
        functools.update_wrapper(method, original)
    method.__name__ = name
    return method
