"""Instance states that take time, and the status checks that follow them.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html
"""

import time

from moto.ec2.models import instances
from moto.ec2.models.instances import Instance

from .durations import INSTANCE_START_SECONDS, INSTANCE_STOP_SECONDS, STATUS_CHECK_SECONDS, Way

CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
ON_THE_WAY = {"running": ("pending", INSTANCE_START_SECONDS), "stopped": ("stopping", INSTANCE_STOP_SECONDS)}


class TimedState:
    """Stands for moto's InstanceState: assigning a state starts the way to it."""

    def __init__(self, name="pending", _code=0):
        self._goal = None
        self.name = name

    @property
    def name(self):
        return self._goal if self._way is None or self._way.arrived else self._passing

    @name.setter
    def name(self, goal):
        if goal == self._goal:
            return
        self._goal = goal
        self._way = None
        if goal in ON_THE_WAY:
            self._passing, seconds = ON_THE_WAY[goal]
            self._way = Way(seconds, "instances")

    @property
    def code(self):
        return CODES[self.name]

    @code.setter
    def code(self, _code):
        """Follows from the name."""

    @property
    def checked(self):
        """Whether both status checks have had their time since the instance ran."""
        return self._way is None or time.time() >= self._way.due + STATUS_CHECK_SECONDS

    def __copy__(self):
        """The state before a call stays what it was while its answer is written."""
        copied = TimedState()
        copied._goal, copied._way = self.name, None
        return copied


def check_result(instance):
    if instance.state != "running":
        return {"Status": "not-applicable"}
    passed = instance._state.checked
    return {
        "Details": [{"Name": "reachability", "Status": "passed" if passed else "initializing"}],
        "Status": "ok" if passed else "initializing",
    }


instances.InstanceState = TimedState
Instance.instance_status = property(check_result)
Instance.system_status = property(check_result)
