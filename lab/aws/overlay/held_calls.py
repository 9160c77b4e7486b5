"""Held calls: a caller's changes wait for a word before they are carried out, and again before they are answered.

By this a test stops a caller at any point of its work: it ends the caller while a call is held, and says that the call
never arrived (`drop` before it was carried out) or that its answer was lost (`drop` after).
"""

import itertools
import threading

from .journal import changes
from .support import AwsError

# Whoever holds calls may die: nothing waits for ever.
LONGEST_SECONDS = 300

BEFORE = "before"
AFTER = "after"
# Gives credentials and changes nothing.
CREDENTIALS = "AssumeRole"
DROP = "drop"
CARRY_OUT = "carry-out"
GO = "go"

_changed = threading.Condition()
_numbers = itertools.count(1)
_held = {}
_elsewhere = {}
_agent = None


class HeldCall:
    """One call on its way. `stage` says where it waits: `before` it is carried out, or `after`."""

    def __init__(self, description):
        self.description = description
        self.stage = BEFORE
        self.verdict = None
        self.number = None

    def wait_before(self):
        """Returns when the call is to be carried out; raises when it is to be lost."""
        if self._wait(BEFORE, (DROP, CARRY_OUT, GO)) == DROP:
            raise AwsError("CallDropped", "dropped by the lab before it was carried out")

    def wait_after(self):
        """Returns when the answer may go; whoever waits for a dropped one is gone."""
        if self.verdict == CARRY_OUT:
            self._wait(AFTER, (DROP, GO))

    def _wait(self, stage, verdicts):
        with _changed:
            self.stage, self.verdict = stage, None
            self.number = self.number or next(_numbers)
            _held[self.number] = self
            _changed.notify_all()
            _changed.wait_for(lambda: self.verdict in verdicts or _agent is None, timeout=LONGEST_SECONDS)
            _held.pop(self.number, None)
            self.verdict = self.verdict or GO
            return self.verdict


def hold(service, action, account, parameters, agent):
    """The call as one that waits; None when it goes its way as always."""
    with _changed:
        wanted = _agent is not None and _agent in agent
    if not wanted or not changes(action) or action.startswith(CREDENTIALS):
        return None
    return HeldCall({"service": service, "action": action, "account": account, "parameters": parameters})


def carried_out_elsewhere(call):
    """Its answer is held when the server that carries it out (Run Command's) asks, by the number that this returns."""
    with _changed:
        _elsewhere[call.number] = call
        return call.number


def carried_out_call(number):
    with _changed:
        return _elsewhere.pop(number, None)


def listed():
    with _changed:
        return [
            {"number": number, "stage": call.stage, **call.description}
            for number, call in sorted(_held.items())
            if call.verdict is None
        ]


def hold_changes_of(agent):
    """From now on every change by a caller with this in its user agent waits. None lets all go."""
    global _agent
    if agent is not None and (not isinstance(agent, str) or agent == ""):
        raise ValueError("'userAgent' is a part of the caller's user agent")
    with _changed:
        _agent = agent
        _changed.notify_all()


def decide(verdicts):
    """`{number: verdict}`; a call that waits no more is passed over."""
    with _changed:
        for number, verdict in verdicts.items():
            if verdict not in (DROP, CARRY_OUT, GO):
                raise ValueError(f"a verdict is '{DROP}', '{CARRY_OUT}' or '{GO}': {verdict!r}")
            call = _held.get(int(number))
            if call is not None:
                call.verdict = verdict
        _changed.notify_all()
