"""What an instance wrote to its serial console: the instance host keeps it in the instance's folder."""

import base64
from datetime import datetime, timezone

from .support import DATA

# "Returned: up to 64 KB of the most recent output": GetConsoleOutput, EC2 API Reference.
MOST = 64 * 1024


def instance_folder(instance_id):
    """Folder of an instance of the instance host, beside the emulator's own."""
    return DATA.parent / "instances" / instance_id


def console_output(instance_id):
    """(base64 text, when it was written last); (None, None) of an instance that has written nothing."""
    path = instance_folder(instance_id) / "console.log"
    try:
        with open(path, "rb") as log:
            size = log.seek(0, 2)
            log.seek(max(0, size - MOST))
            text = log.read()
        written = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
    except FileNotFoundError:
        return None, None
    return base64.b64encode(text).decode(), written
