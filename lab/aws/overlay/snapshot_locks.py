"""LockSnapshot, UnlockSnapshot, DescribeLockedSnapshots, and the account's settings for EBS; moto has none of them.

Rules: https://docs.aws.amazon.com/ebs/latest/userguide/ebs-snapshot-lock.html
"""

import time
from calendar import timegm

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses import EC2Response

from .kms import ebs_default_key
from .support import patch

DAY = 86400


MOST_DAYS = 36500
MOST_COOL_OFF_HOURS = 72


class Lock:
    """`expires` (seconds since 1970) or `days` says how long; the other is None."""

    def __init__(self, snapshot, mode, days, expires, cool_off_hours):
        self.snapshot = snapshot
        self.mode = mode
        self.created = time.time()
        self._days = days
        self._expires = expires
        self.cool_off_hours = cool_off_hours
        self.cool_off_ends = self.created + cool_off_hours * 3600

    @property
    def begins(self):
        """None while the snapshot is pending: the duration starts when it completes (LockSnapshot, API Reference)."""
        if self.snapshot.status == "pending":
            return None
        return max(self.created, self.snapshot._began + self.snapshot._seconds)

    @property
    def expires(self):
        """None as long as the duration has not begun."""
        if self._expires is not None:
            return self._expires
        return None if self.begins is None else self.begins + self._days * DAY

    @property
    def days(self):
        if self._days is not None:
            return self._days
        return max(1, round((self._expires - self.created) / DAY))

    def outlasts(self, other):
        """Whether this lock ends no earlier than the other."""
        if self.expires is None or other.expires is None:
            return self.days >= other.days
        return self.expires >= other.expires

    def holds(self):
        return self.expires is None or time.time() < self.expires

    def sealed(self):
        """Compliance mode after its cool-off: nobody can shorten or remove it."""
        return self.mode == "compliance" and self.holds() and time.time() >= self.cool_off_ends

    def state(self):
        if not self.holds():
            return "expired"
        if self.mode == "compliance" and time.time() < self.cool_off_ends:
            return "compliance-cooloff"
        return self.mode

    def described(self):
        view = {
            "SnapshotId": self.snapshot.id,
            "OwnerId": self.snapshot.owner_id,
            "LockState": self.state(),
            "LockDuration": self.days,
            "LockCreatedOn": timestamp(self.created),
        }
        if self.begins is not None:
            view["LockDurationStartTime"] = timestamp(self.begins)
        if self.expires is not None:
            view["LockExpiresOn"] = timestamp(self.expires)
        if self.cool_off_hours:
            view["CoolOffPeriod"] = self.cool_off_hours
            view["CoolOffPeriodExpiresOn"] = timestamp(self.cool_off_ends)
        return view


def timestamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


def own_snapshot(response):
    """Only the owner locks a snapshot; it may still be pending."""
    return response.ec2_backend.get_snapshot(response._get_param("SnapshotId"))


def lock_snapshot(_original, self):
    snapshot = own_snapshot(self)
    mode = self._get_param("LockMode")
    if mode not in ("governance", "compliance"):
        raise EC2ClientError("InvalidParameterValue", f"LockMode {mode} is neither governance nor compliance.")
    days, expires = asked_duration(self)
    cool_off = self._get_param("CoolOffPeriod")
    if cool_off is not None and mode == "governance":
        raise EC2ClientError("InvalidParameterCombination", "CoolOffPeriod is for compliance mode only.")
    if cool_off is not None and not 1 <= int(cool_off) <= MOST_COOL_OFF_HOURS:
        raise EC2ClientError(
            "InvalidParameterValue", f"CoolOffPeriod {cool_off} is not between 1 and {MOST_COOL_OFF_HOURS} hours."
        )
    if snapshot.status == "error":
        raise EC2ClientError("IncorrectState", f"Snapshot {snapshot.id} is neither pending nor completed.")
    self.error_on_dryrun()
    old = snapshot.__dict__.get("lock")
    sealed = old is not None and old.sealed()
    # After the cool-off of a compliance lock only its end can be moved, and only away.
    new = Lock(snapshot, mode, days, expires, old.cool_off_hours if sealed else int(cool_off or 0))
    if sealed:
        if mode != "compliance" or cool_off is not None or not new.outlasts(old):
            raise EC2ClientError(
                "SnapshotLocked", "A compliance lock can be extended, not shortened or made governance."
            )
        new.cool_off_ends = old.cool_off_ends
    snapshot.lock = new
    return ActionResult(new.described())


def asked_duration(response):
    """(days, None) or (None, moment) of the request: exactly one of LockDuration and ExpirationDate."""
    days = response._get_param("LockDuration")
    expiration = response._get_param("ExpirationDate")
    if (days is None) == (expiration is None):
        raise EC2ClientError("InvalidParameterCombination", "Specify either LockDuration or ExpirationDate.")
    if days is not None:
        if not 1 <= int(days) <= MOST_DAYS:
            raise EC2ClientError("InvalidParameterValue", f"LockDuration {days} is not between 1 and {MOST_DAYS} days.")
        return int(days), None
    moment = expiration.timestamp() if hasattr(expiration, "timestamp") else parse_time(str(expiration))
    if moment <= time.time():
        raise EC2ClientError("InvalidParameterValue", "ExpirationDate lies in the past.")
    return None, moment


def parse_time(text):
    return timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


def unlock_snapshot(_original, self):
    snapshot = own_snapshot(self)
    lock = snapshot.__dict__.get("lock")
    if lock is None:
        raise EC2ClientError("InvalidSnapshot.NotLocked", f"The snapshot {snapshot.id} is not locked.")
    if lock.sealed():
        raise EC2ClientError("SnapshotLocked", f"The snapshot {snapshot.id} is locked in compliance mode.")
    self.error_on_dryrun()
    snapshot.lock = None
    return ActionResult({"SnapshotId": snapshot.id})


def describe_locked_snapshots(_original, self):
    wanted = self._get_param("SnapshotIds", [])
    states = self._filters_from_querystring().get("lock-state", [])
    locks = [one.__dict__.get("lock") for one in list(self.ec2_backend.snapshots.values())]
    found = [lock.described() for lock in locks if lock is not None]
    found = [view for view in found if not wanted or view["SnapshotId"] in wanted]
    found = [view for view in found if not states or view["LockState"] in states]
    return ActionResult({"Snapshots": found})


# ---- account settings


def set_block_public_access(_original, self):
    self.ec2_backend.block_public_access = self._get_param("State")
    return ActionResult({"State": self._get_param("State")})


def clear_block_public_access(_original, self):
    self.ec2_backend.block_public_access = "unblocked"
    return ActionResult({"State": "unblocked"})


def get_block_public_access(_original, self):
    return ActionResult({"State": getattr(self.ec2_backend, "block_public_access", "unblocked")})


def enable_encryption(_original, self):
    self.ec2_backend.ebs_encryption_by_default = True
    return ActionResult({"EbsEncryptionByDefault": True})


def disable_encryption(_original, self):
    self.ec2_backend.ebs_encryption_by_default = False
    return ActionResult({"EbsEncryptionByDefault": False})


def get_encryption(_original, self):
    return ActionResult({"EbsEncryptionByDefault": getattr(self.ec2_backend, "ebs_encryption_by_default", False)})


def get_default_key(_original, self):
    default = self.ec2_backend.default_kms_key_id or ebs_default_key(self.current_account, self.region).arn
    return ActionResult({"KmsKeyId": default})


patch(
    EC2Response,
    lock_snapshot=lock_snapshot,
    unlock_snapshot=unlock_snapshot,
    describe_locked_snapshots=describe_locked_snapshots,
    enable_snapshot_block_public_access=set_block_public_access,
    disable_snapshot_block_public_access=clear_block_public_access,
    get_snapshot_block_public_access_state=get_block_public_access,
    enable_ebs_encryption_by_default=enable_encryption,
    disable_ebs_encryption_by_default=disable_encryption,
    get_ebs_encryption_by_default=get_encryption,
    get_ebs_default_kms_key_id=get_default_key,
)
