"""Conditional requests on S3: If-Match and If-None-Match of writes, and those of a copy's source.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
"""

import threading
from contextlib import contextmanager

from moto.core.utils import str_to_rfc_1123_datetime

from .support import AwsError

_writing = threading.Lock()


def failed():
    return AwsError("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")


def bare(etag):
    return (etag or "").strip('"')


@contextmanager
def held(response):
    """Checks the conditions on the object that a write replaces, and lets no other conditional write between."""
    match, none_match = response.headers.get("If-Match"), response.headers.get("If-None-Match")
    if not match and not none_match:
        yield
        return
    if none_match and none_match != "*":
        raise AwsError("NotImplemented", "A header you provided implies functionality that is not implemented")
    with _writing:
        existing = response.backend.get_object(response.bucket_name, response.parse_key_name())
        if match and existing is None:
            raise AwsError("NoSuchKey", "The specified key does not exist.")
        if (match and bare(match) != bare(existing.etag)) or (none_match and existing is not None):
            raise failed()
        yield


def check_source(headers, key):
    """The conditions x-amz-copy-source-if-… on the object that is copied."""
    name = "x-amz-copy-source-if-"
    match, none_match = headers.get(f"{name}match"), headers.get(f"{name}none-match")
    changed = key.last_modified.replace(microsecond=0)
    if match is not None:
        # "If both if-match (true) and if-unmodified-since (false) are present, S3 returns 200 and copies the data."
        if bare(match) != bare(key.etag):
            raise failed()
    elif (since := headers.get(f"{name}unmodified-since")) and changed > str_to_rfc_1123_datetime(since):
        raise failed()
    if none_match is not None:
        if bare(none_match) == bare(key.etag):
            raise failed()
    elif (since := headers.get(f"{name}modified-since")) and changed <= str_to_rfc_1123_datetime(since):
        raise failed()
