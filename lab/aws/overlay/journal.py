"""The journal: every call that the lab saw, with its parameters when it changes something."""

import base64
import json
import re
import threading
import time

_calls = []
_lock = threading.Lock()
READS = re.compile(r"^(Describe|Get|List|Head|BatchGet|Query|Scan|TransactGet|Search|Lookup)")
LONGEST = 2048  # characters of one call's parameters as JSON; the rest is cut, so that no body is kept


def listed():
    with _lock:
        return list(_calls)


def clear():
    with _lock:
        _calls.clear()


def changes(action):
    return not READS.match(action or "")


def write(started, service, action, account, region, parameters, user_agent, error, status):
    entry = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(started)) + f".{int(started * 1000) % 1000:03d}Z",
        "service": service,
        "action": action,
        "account": account,
        "region": region,
        "userAgent": user_agent,
        "error": error,
        "status": status,
        "milliseconds": round((time.time() - started) * 1000, 1),
    }
    if changes(action):
        entry["parameters"] = _short(parameters)
    with _lock:
        _calls.append(entry)


def _short(parameters):
    """The parameters as they came; where they are long, each long value is cut and says so."""
    plain = json.loads(json.dumps(parameters, default=_plain))
    if len(json.dumps(plain)) <= LONGEST:
        return plain
    return {name: _cut(value, 512) for name, value in list(plain.items())[:32]}


def _cut(value, longest):
    text = value if isinstance(value, str) else json.dumps(value)
    return value if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"


def _plain(value):
    if isinstance(value, bytes):
        return base64.b64encode(value[:64]).decode() + ("…" if len(value) > 64 else "")
    if hasattr(value, "items"):
        return dict(value.items())
    return str(value)
