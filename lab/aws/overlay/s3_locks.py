"""Object Lock: retention can be read, and cannot be shortened where S3 forbids it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

from calendar import timegm
from time import strptime

from moto.s3.responses import S3Response

from .support import AwsError, patch

XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def seconds(timestamp):
    return timegm(strptime(str(timestamp)[:19], "%Y-%m-%dT%H:%M:%S"))


def put_object_retention(original, self):
    key = self.backend.get_object(self.bucket_name, self.parse_key_name(), version_id=self._get_param("versionId"))
    if key is None:
        raise AwsError("NoSuchKey", "The specified key does not exist.")
    mode, until = self._mode_until_from_body()
    bypass = str(self.headers.get("x-amz-bypass-governance-retention", "")).lower() == "true"
    held = key.lock_mode and key.lock_until and key.is_locked(bypass) and not (key.lock_mode == "GOVERNANCE" and bypass)
    if held:
        shorter = until is None or seconds(until) < seconds(key.lock_until)
        weaker = key.lock_mode == "COMPLIANCE" and mode != "COMPLIANCE"
        if shorter or weaker:
            raise AwsError("AccessDenied", "Access Denied because object protected by object lock.")
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


def delete_object(original, self):
    """The header says true or false; moto takes `false` for a bypass too."""
    bypass = str(self.headers.get("x-amz-bypass-governance-retention", "")).lower() == "true"
    if bypass or self.headers.get("If-Match"):
        return original(self)
    _deleted, meta = self.backend.delete_object(
        self.bucket_name, self.parse_key_name(), version_id=self._get_param("versionId"), bypass=False
    )
    return 204, {f"x-amz-{name}": value for name, value in meta.items()}, ""


patch(S3Response, delete_object=delete_object, put_object_retention=put_object_retention, get_object=get_object)
