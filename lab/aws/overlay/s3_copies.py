"""CopyObject and UploadPartCopy: from file to file, with the conditions on their source; moto copies through memory."""

import re
from urllib.parse import parse_qs, unquote

from moto.core.responses import ActionResult
from moto.s3.exceptions import MissingKey, MissingVersion
from moto.s3.responses import S3Response
from moto.s3.utils import metadata_from_headers

from . import s3_conditions
from .s3_bodies import Body, contents
from .s3_checksums import MAKE
from .s3_multipart import checksum_views, store_part, upload_of
from .support import AwsError, patch

MOST = 5 << 30  # bytes that one copy may have
TOO_BIG = "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120"


class Source:
    """A key whose bytes come as a Body."""

    def __init__(self, key, body):
        self._key, self.value = key, body
        # The copy is an object of one part, whatever its source was made of.
        self.multipart = None
        # Whether and how the copy is summed up is decided anew.
        self.checksum_value = None

    def __getattr__(self, name):
        return getattr(self._key, name)


def source_of(response):
    """(key, version id of the request) that x-amz-copy-source names."""
    path, _, query = response.headers["x-amz-copy-source"].partition("?")
    bucket_name, _, key_name = unquote(path).lstrip("/").partition("/")
    version = parse_qs(query).get("versionId", [None])[0]
    key = response.backend.get_object(bucket_name, key_name, version_id=version)
    if key is None:
        raise MissingVersion() if version else MissingKey(key=key_name)
    s3_conditions.check_source(response.headers, key)
    return key, version


def copy_object(_original, self):
    headers = self.headers
    bucket = self.backend.get_bucket(self.bucket_name)
    source, version = source_of(self)
    if source.size > MOST:
        raise AwsError("InvalidRequest", TOO_BIG)
    algorithm = headers.get("x-amz-checksum-algorithm", "").upper() or source.checksum_algorithm
    if algorithm and algorithm not in MAKE:
        raise AwsError("InvalidRequest", "Checksum algorithm provided is unsupported.")
    body = Body([algorithm] if algorithm else []).write_all(contents(source, 0, source.size))
    legal_hold, lock_mode, lock_until = self._get_lock_details(bucket, bucket.object_lock_enabled)
    key_name = self.parse_key_name()
    with s3_conditions.held(self):
        self.backend.copy_object(
            Source(source, body),
            self.bucket_name,
            key_name,
            storage=headers.get("x-amz-storage-class"),
            kms_key_id=headers.get("x-amz-server-side-encryption-aws-kms-key-id"),
            encryption=headers.get("x-amz-server-side-encryption"),
            bucket_key_enabled=headers.get("x-amz-server-side-encryption-bucket-key-enabled"),
            mdirective=headers.get("x-amz-metadata-directive"),
            metadata=metadata_from_headers(headers),
            website_redirect_location=headers.get("x-amz-website-redirect-location"),
            lock_mode=lock_mode,
            lock_legal_status=legal_hold,
            lock_until=lock_until,
            provided_version_id=version,
        )
    copied = next(key for key in bucket.keys.getlist(key_name) if getattr(key, "_value_buffer", None) is body.file)
    acl = self._acl_from_headers(headers) or bucket.acl
    if acl is not None:
        copied.set_acl(acl)
    if headers.get("x-amz-tagging-directive") == "REPLACE":
        self.backend.put_object_tagging(copied, self._tagging_from_headers(headers))
    if algorithm:
        copied.checksum_algorithm, copied.checksum_value = algorithm, body.checksum(algorithm)
        copied.checksum_type = "FULL_OBJECT"
    result = {"ETag": copied.etag, "LastModified": copied.last_modified_ISO8601, **checksum_views(copied)}
    answer = serialized(self, "CopyObject", {"CopyObjectResult": result}, copied)
    if source.version_id != "null":
        answer[1]["x-amz-copy-source-version-id"] = source.version_id
    return answer


def upload_part_copy(_original, self):
    upload = upload_of(self, self._get_param("uploadId"))
    source, _version = source_of(self)
    first, size = wanted_stretch(self.headers.get("x-amz-copy-source-range"), source.size)
    if size > MOST:
        raise AwsError("InvalidRequest", TOO_BIG)
    algorithm = upload.checksum_algorithm
    body = Body([algorithm]).write_all(contents(source, first, size))
    part = store_part(upload, self._get_int_param("partNumber"), body, algorithm, body.checksum(algorithm))
    result = {"LastModified": part.last_modified_ISO8601, "ETag": part.etag}
    if upload.checksum_asked:
        result.update(checksum_views(part))
    answer = serialized(self, "UploadPartCopy", {"CopyPartResult": result}, part)
    if source.version_id != "null":
        answer[1]["x-amz-copy-source-version-id"] = source.version_id
    return answer


def wanted_stretch(header, size):
    """(first byte, number of bytes) of x-amz-copy-source-range, which names both ends; the whole without it."""
    if header is None:
        return 0, size
    found = re.fullmatch(r"bytes=(\d+)-(\d+)", header)
    if found is None:
        raise AwsError(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy",
        )
    first, last = map(int, found.groups())
    if first > last or last >= size:
        raise AwsError("InvalidArgument", f"Range specified is not valid for source object of size: {size}")
    return first, last - first + 1


def serialized(response, action, result, key):
    response.data["Action"] = action
    status, headers, body = response.serialized(ActionResult(result))
    headers.update(response._get_cors_headers_other())
    headers.update(key.response_dict)
    headers["content-length"] = str(len(body))
    return status, headers, body


patch(S3Response, copy_object=copy_object, upload_part_copy=upload_part_copy)
