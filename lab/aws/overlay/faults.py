"""Faults: what the lab is told to let go wrong.

A fault is a dictionary:
  service   "ec2", "s3", "ssm", ... (absent: any)
  action    API action, e.g. "CopySnapshot", or "*"
  account   only calls by this account (absent: any)
  match     {parameter: value}; each must equal the request's parameter, or be an item of it
  times     how often it strikes (default 1)
  delay     seconds to wait before the answer
  code, message, status   answer this error; `status` overrides the HTTP status
  when      "before" (default): the action is not carried out; "after": it is carried out, then the error is answered
  outcome   "error": the call succeeds, and the snapshot it makes ends in state `error` with `message` as StateMessage
            "busy": DetachVolume succeeds, and the attachment stays `busy`, as of a volume that the guest has mounted
"""

import threading

_faults = []
_lock = threading.Lock()


def listed():
    with _lock:
        return [dict(fault) for fault in _faults]


def replace(faults):
    with _lock:
        _faults[:] = [_checked(fault) for fault in faults]


def add(faults):
    checked = [_checked(fault) for fault in faults]
    with _lock:
        _faults.extend(checked)


def take(service, action, account, parameters):
    """The next error or delay for this call, counted down; None when the call is to be left alone."""
    return _take(lambda fault: "outcome" not in fault, service, action, account, parameters)


def take_outcome(action, account, parameters):
    """The message with which the snapshot made by this call shall fail, or None."""
    fault = _take(lambda fault: fault.get("outcome") == "error", "ec2", action, account, parameters)
    return None if fault is None else fault.get("message", "An internal error occurred.")


def take_busy(action, account, parameters):
    """Whether the volume of this call is held by its guest."""
    return _take(lambda fault: fault.get("outcome") == "busy", "ec2", action, account, parameters) is not None


def _take(kind, service, action, account, parameters):
    with _lock:
        for fault in _faults:
            if fault["times"] > 0 and kind(fault) and _strikes(fault, service, action, account, parameters):
                fault["times"] -= 1
                return dict(fault)
    return None


def _strikes(fault, service, action, account, parameters):
    return (
        fault.get("service", service) == service
        and fault["action"] in (action, "*")
        and fault.get("account", account) == account
        and all(_equal(parameters.get(name), wanted) for name, wanted in fault.get("match", {}).items())
    )


def _equal(actual, wanted):
    if isinstance(actual, (list, tuple)):
        return wanted in actual or list(actual) == wanted
    return actual == wanted or str(actual) == str(wanted)


def _checked(fault):
    if not isinstance(fault, dict) or not isinstance(fault.get("action"), str):
        raise ValueError(f"a fault needs an 'action' (an API action or '*'): {fault!r}")
    if fault.get("when", "before") not in ("before", "after"):
        raise ValueError(f"'when' of a fault is 'before' or 'after': {fault!r}")
    if fault.get("outcome", "error") not in ("error", "busy"):
        raise ValueError(f"'outcome' of a fault is 'error' or 'busy': {fault!r}")
    if not ({"code", "delay", "outcome"} & set(fault)):
        raise ValueError(f"a fault without 'code', 'delay' or 'outcome' does nothing: {fault!r}")
    return {"times": 1, **fault}
