"""Holds a running guest still while its volumes are copied, so that all of them are of one instant.

A guest says in `<instance's folder>/control.json` where its monitor listens: {"qmpSnapshotSocket": path}.
QMP's `stop` drains and flushes what is on its way to the disks before it answers.
https://www.qemu.org/docs/master/interop/qmp-spec.html
"""

import json
import logging
import socket
import threading
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

from .console import instance_folder

# A guest under software emulation on a busy machine may take seconds to drain its disks.
ANSWER_SECONDS = 30
log = logging.getLogger(__name__)

_held_here = ContextVar("held_here", default=frozenset())  # instances that the call under way has paused
_locks = {}
_locks_lock = threading.Lock()


class Monitor:
    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ANSWER_SECONDS)
        try:
            self._socket.connect(path)
            self._lines = self._socket.makefile("r", encoding="utf-8")
            self._read()  # the greeting
            self.execute("qmp_capabilities")
        except BaseException:
            self._socket.close()
            raise

    def execute(self, command):
        self._socket.sendall(json.dumps({"execute": command}).encode() + b"\n")
        while True:
            answer = self._read()
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise OSError(f"{command}: {answer['error'].get('desc')}")
            # An event: not for us.

    def _read(self):
        line = self._lines.readline()
        if not line:
            raise OSError("the monitor closed the connection")
        return json.loads(line)

    def close(self):
        self._socket.close()


@contextmanager
def paused(instance_ids):
    """Pauses those of the instances that run as guests here. A guest that does not answer is copied as it runs."""
    held = _held_here.get()
    with ExitStack() as stack:
        for instance_id in sorted(set(instance_ids) - held):
            stack.enter_context(_paused(instance_id))
        token = _held_here.set(held | set(instance_ids))
        try:
            yield
        finally:
            _held_here.reset(token)


@contextmanager
def _paused(instance_id):
    with _lock_of(instance_id):
        monitor = stop(instance_id)
        try:
            yield
        finally:
            if monitor is not None:
                resume(instance_id, monitor)


def _lock_of(instance_id):
    with _locks_lock:
        return _locks.setdefault(instance_id, threading.Lock())


def stop(instance_id):
    """The monitor of the guest that now stands still; None if there is none, or it stood still before."""
    path = socket_of(instance_id)
    if path is None:
        return None
    monitor = None
    try:
        monitor = Monitor(path)
        if monitor.execute("query-status").get("running"):
            monitor.execute("stop")
            return monitor
    except (OSError, ValueError) as reason:
        log.warning("%s was not paused for its snapshot: %s", instance_id, reason)
        if monitor is not None:
            resume(instance_id, monitor)  # it may have stopped without saying so
            return None
    if monitor is not None:
        monitor.close()
    return None


def socket_of(instance_id):
    try:
        return json.loads((instance_folder(instance_id) / "control.json").read_text())["qmpSnapshotSocket"]
    except (FileNotFoundError, KeyError, ValueError):
        return None


def resume(instance_id, monitor):
    try:
        monitor.execute("cont")
    except (OSError, ValueError) as reason:
        log.error("%s could not be resumed after its snapshot: %s", instance_id, reason)
        _resume_anew(instance_id)
    finally:
        monitor.close()


def _resume_anew(instance_id):
    """A second try over a new connection: a guest must not stay paused because one connection broke."""
    path = socket_of(instance_id)
    if path is None:
        return
    try:
        monitor = Monitor(path)
    except (OSError, ValueError):
        return  # the guest is gone
    try:
        monitor.execute("cont")
    except (OSError, ValueError) as reason:
        log.error("%s stays paused: %s", instance_id, reason)
    finally:
        monitor.close()
