"""How long AWS takes here (lab/durations.ts says why), and a switch that keeps things on their way.

  GET|PUT /moto-api/lab/holds   ["snapshots", "copies", "instances", "volumes"]: what stays `pending` (or `stopping`,
                                `attaching`, …) until it is no longer named

A test of what happens meanwhile holds them, and so depends on no clock.
"""

import json
import os
import threading
import time

from moto.moto_api._internal import urls


def _seconds(name, default=0):
    return float(os.environ.get(f"LAB_{name}", default))


SNAPSHOT_SECONDS = _seconds("SNAPSHOT_SECONDS", 2)
SNAPSHOT_SECONDS_PER_GIB = _seconds("SNAPSHOT_SECONDS_PER_GIB")
COPY_SECONDS = _seconds("COPY_SECONDS", 2)
COPY_SECONDS_PER_GIB = _seconds("COPY_SECONDS_PER_GIB")
INSTANCE_START_SECONDS = _seconds("INSTANCE_START_SECONDS")
INSTANCE_STOP_SECONDS = _seconds("INSTANCE_STOP_SECONDS")
INSTANCE_TERMINATE_SECONDS = _seconds("INSTANCE_TERMINATE_SECONDS")
STATUS_CHECK_SECONDS = _seconds("STATUS_CHECK_SECONDS")
VOLUME_CREATE_SECONDS = _seconds("VOLUME_CREATE_SECONDS")
ATTACH_SECONDS = _seconds("ATTACH_SECONDS")
DETACH_SECONDS = _seconds("DETACH_SECONDS")

HOLDABLE = {"snapshots", "copies", "instances", "volumes"}
RELEASE_CHECK_SECONDS = 0.05
_holds = {}  # kind -> since when


def held(kind, due):
    """Whether what was to arrive at `due` is kept on its way; what had arrived before the hold began is not."""
    since = _holds.get(kind)
    return since is not None and due > since


class Way:
    """From one state to the next: under way until its time has come and nothing holds it, arrived ever after."""

    def __init__(self, seconds, kind):
        self.due = time.time() + seconds
        self._kind = kind
        self._arrived = False

    @property
    def arrived(self):
        if not self._arrived and time.time() >= self.due and not held(self._kind, self.due):
            self._arrived = True
        return self._arrived


def when_arrived(seconds, kind, finish, *arguments):
    """Calls `finish` at the end of the way: now if there is none, else from a thread of its own."""
    way = Way(seconds, kind)
    if way.arrived:
        finish(*arguments)
        return

    def wait():
        time.sleep(seconds)
        while not way.arrived:
            time.sleep(RELEASE_CHECK_SECONDS)
        finish(*arguments)

    threading.Thread(target=wait, daemon=True).start()


def holds_endpoint(request, _url, _headers):
    if request.method == "PUT":
        wanted = set(json.loads(request.data or b"[]"))
        if not wanted <= HOLDABLE:
            return 400, {"Content-Type": "application/json"}, json.dumps({"error": f"one of {sorted(HOLDABLE)}"})
        now = time.time()
        for kind in HOLDABLE:
            if kind in wanted:
                _holds.setdefault(kind, now)
            else:
                _holds.pop(kind, None)
    return 200, {"Content-Type": "application/json"}, json.dumps(sorted(_holds))


urls.url_paths["{0}/moto-api/lab/holds"] = holds_endpoint
