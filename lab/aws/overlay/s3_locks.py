"""Object Lock: retention and legal hold can be read, and hold.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

import time
from calendar import timegm
from contextvars import ContextVar
from time import strptime

from moto.s3 import responses
from moto.s3.models import FakeKey, S3Backend
from moto.s3.responses import S3Response

from .iam_enforcement import permits
from .iam_s3_requests import on
from .s3_checksums import expected_algorithm
from .support import AwsError, patch

XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def seconds(timestamp):
    return timegm(strptime(str(timestamp)[:19], "%Y-%m-%dT%H:%M:%S"))


def bypasses(response, key_name):
    """Governance mode yields to the header of whoever holds s3:BypassGovernanceRetention."""
    asked = str(response.headers.get("x-amz-bypass-governance-retention", "")).lower() == "true"
    if asked and not permits(on("BypassGovernanceRetention", response.bucket_name, key_name), response.region):
        raise AwsError("AccessDenied", "Access Denied because object protected by object lock.")
    return asked


def retained(key):
    return bool(key.lock_mode and key.lock_until and seconds(key.lock_until) > time.time())


def locked(_original, self, governance_bypass):
    """A legal hold holds whatever the retention says, and no header lifts it."""
    if self.lock_legal_status == "ON":
        return True
    return retained(self) and not (self.lock_mode == "GOVERNANCE" and governance_bypass)


class ChecksumRequired(AwsError):
    """Stands for moto's error, which has a code that S3 does not know."""

    __module__ = AwsError.__module__

    def __init__(self):
        super().__init__(
            "InvalidRequest",
            "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock "
            "parameters",
        )


def put(original, self, query, key_name):
    """Any x-amz-checksum- header will do for S3; moto looks for the one that names the SDK's algorithm."""
    algorithm = expected_algorithm(self.headers)
    if algorithm and "x-amz-copy-source" not in self.headers:
        self.headers.environ.setdefault("HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM", algorithm)
    return original(self, query, key_name)


def put_object_retention(original, self):
    key_name = self.parse_key_name()
    key = self.backend.get_object(self.bucket_name, key_name, version_id=self._get_param("versionId"))
    if key is None:
        raise AwsError("NoSuchKey", "The specified key does not exist.")
    mode, until = self._mode_until_from_body()
    if until is not None and seconds(until) <= time.time():
        raise AwsError("InvalidArgument", "The retain until date must be in the future!")
    if retained(key):
        shorter = until is None or seconds(until) < seconds(key.lock_until)
        weaker = key.lock_mode == "COMPLIANCE" and mode != "COMPLIANCE"
        if (shorter or weaker) and not (key.lock_mode == "GOVERNANCE" and bypasses(self, key_name)):
            raise AwsError("AccessDenied", "Access Denied because object protected by object lock.")
    return original(self)


def put_object_legal_hold(original, self):
    key = self.backend.get_object(
        self.bucket_name, self.parse_key_name(), version_id=self._get_param("versionId")
    )
    if key is None:
        raise AwsError("NoSuchKey", "The specified key does not exist.")
    return original(self)


def get_object(original, self):
    """moto answers GetObjectRetention with the object itself."""
    if "retention" not in self.querystring:
        return original(self)
    key, _not_modified = self._get_key()
    if not key.lock_mode:
        raise AwsError(
            "NoSuchObjectLockConfiguration", "The specified object does not have a ObjectLock configuration"
        )
    retention = f"<Mode>{key.lock_mode}</Mode><RetainUntilDate>{key.lock_until}</RetainUntilDate>"
    return 200, {"content-type": "application/xml"}, f"{XML}<Retention {NAMESPACE}>{retention}</Retention>"


def delete_object(_original, self):
    """The header says true or false; moto takes `false` for a bypass too."""
    key_name = self.parse_key_name()
    match = self.headers.get("If-Match")
    if match:
        existing = self.backend.get_object(self.bucket_name, key_name)
        if existing is None:
            raise AwsError("NoSuchKey", "The specified key does not exist.")
        if match != "*" and match.strip('"') != existing.etag.strip('"'):
            raise AwsError("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
    bypass = bypasses(self, key_name)
    _deleted, meta = self.backend.delete_object(
        self.bucket_name, key_name, version_id=self._get_param("versionId"), bypass=bypass
    )
    return 204, {f"x-amz-{name}": value for name, value in meta.items()}, ""


def delete_objects(original, self, bucket_name, authenticated=True):
    """A bypass without its permission fails for each object that governance mode holds."""
    asked = str(self.headers.get("x-amz-bypass-governance-retention", "")).lower() == "true"
    token = _may_bypass.set(asked and permits(on("BypassGovernanceRetention", bucket_name, "*"), self.region))
    try:
        return original(self, bucket_name, authenticated)
    finally:
        _may_bypass.reset(token)


def delete_of_several(original, self, bucket_name, objects, _bypass_retention=False):
    return original(self, bucket_name, objects, _may_bypass.get())


_may_bypass = ContextVar("may_bypass", default=False)

responses.MissingUploadObjectWithObjectLockHeaders = ChecksumRequired
patch(FakeKey, is_locked=locked)
patch(S3Backend, delete_objects=delete_of_several)
patch(
    S3Response,
    _key_response_put=put,
    delete_object=delete_object,
    put_object_retention=put_object_retention,
    put_object_legal_hold=put_object_legal_hold,
    get_object=get_object,
    _bucket_response_delete_keys=delete_objects,
)
