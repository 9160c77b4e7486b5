"""S3 objects: checksums that are checked, and big bodies that go through memory in pieces."""

import base64
import binascii
import hashlib
import os
import re

from moto.s3.exceptions import InvalidRange
from moto.s3.responses import S3Response

from .support import AwsError, patch

PIECE = 1 << 20
ALGORITHMS = ("sha256", "sha1", "crc32", "crc32c", "crc64nvme")
# CRC32C and CRC64NVME need libraries that the lab does not ask for: such values are stored as given.
CHECKED = {
    "SHA256": lambda data: hashlib.sha256(data).digest(),
    "SHA1": lambda data: hashlib.sha1(data).digest(),
    "CRC32": lambda data: binascii.crc32(data).to_bytes(4, "big"),
}


# ---- the request's body


def setup_once(original, self, request, full_url=None, headers=None):
    """Set-up decodes the body; overlay/calls.py has to run it before moto does."""
    if getattr(self, "_set_up_for", None) is request:
        return
    self.trailers = {}
    original(self, request, full_url, headers)
    self._set_up_for = request


def decode_chunks(_original, self, body):
    """aws-chunked: `<hex size>[;extension]\\r\\n<data>\\r\\n` … `0\\r\\n<trailer>: <value>\\r\\n\\r\\n`."""
    data = body if isinstance(body, bytes) else body.read()
    pieces, position = [], 0
    while position < len(data):
        end = data.index(b"\r\n", position)
        size = int(data[position:end].split(b";")[0], 16)
        position = end + 2
        if size == 0:
            break
        pieces.append(data[position : position + size])
        position += size + 2
    for line in data[position:].split(b"\r\n"):
        name, _, value = line.partition(b":")
        if value:
            self.trailers[name.strip().decode().lower()] = value.strip().decode()
    return b"".join(pieces)


def given_checksum(response):
    """(ALGORITHM, base64 value) from a header or a trailer; (None, None) without.

    The SDK puts the checksum of an empty body into the query of a presigned PUT: S3 ignores it, and so does the lab
    (https://github.com/aws/aws-sdk/issues/480).
    """
    for name in ALGORITHMS:
        word = f"x-amz-checksum-{name}"
        value = response.headers.get(word) or response.trailers.get(word)
        if value:
            return name.upper(), value
    return None, None


def check_body(response):
    """The body is what the caller says it is, by each of the digests that S3 takes."""
    body = response.body or b""
    md5 = response.headers.get("Content-MD5")
    if md5 and base64.b64decode(md5) != hashlib.md5(body).digest():
        raise AwsError("BadDigest", "The Content-MD5 you specified did not match what we received.")
    signed = response.headers.get("x-amz-content-sha256", "")
    if re.fullmatch("[0-9a-f]{64}", signed) and signed != hashlib.sha256(body).hexdigest():
        raise AwsError(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )
    algorithm, value = given_checksum(response)
    if algorithm in CHECKED and base64.b64encode(CHECKED[algorithm](body)).decode() != value:
        raise AwsError("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.")


def get_checksum(_original, self, response_headers):
    algorithm, value = given_checksum(self)
    if algorithm is None:
        algorithm = self.headers.get("x-amz-sdk-checksum-algorithm", "").upper()
        if algorithm not in CHECKED:
            return "", None
        value = base64.b64encode(CHECKED[algorithm](self.body or b"")).decode()
    response_headers[f"x-amz-checksum-{algorithm.lower()}"] = value
    return algorithm, value


def put(original, self, query, key_name):
    if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
        raise AwsError("NotImplemented", "A header you provided implies functionality that is not implemented")
    copying = "x-amz-copy-source" in self.headers
    if copying and "uploadId" not in query:
        # moto asks a copy into a locked bucket for Content-MD5 too; a copy has no body to take it of.
        self._set_action("KEY", "PUT", query)
        self._authenticate_and_authorize_s3_action(bucket_name=self.bucket_name, key_name=key_name)
        return self.copy_object()
    if not copying:
        check_body(self)
    return original(self, query, key_name)


# ---- the answer's body


def get_object(original, self):
    """Whole objects and ranges from the object's file, a piece at a time; moto reads all of it for every range."""
    key, not_modified = self._get_key()
    if not_modified or key.size <= PIECE or "partNumber" in self.querystring:
        return original(self)
    small = key._value_buffer
    with key.lock:
        small.flush()
        if not getattr(small, "_rolled", False):
            return_original = True
        else:
            return_original = False
            descriptor = os.dup(small.fileno())
    if return_original:
        return original(self)
    try:
        headers = headers_of(original, self, key)
        first, last = wanted_range(self.headers.get("Range"), key.size)
    except BaseException:
        os.close(descriptor)
        raise
    if (first, last) == (0, key.size - 1):
        return 200, headers, pieces(descriptor, first, last)
    for name in [name for name in headers if name.lower().startswith("x-amz-checksum-")]:
        del headers[name]
    headers["content-range"] = f"bytes {first}-{last}/{key.size}"
    headers["content-length"] = str(last - first + 1)
    return 206, headers, pieces(descriptor, first, last)


class Hollow:
    """Stands in for the value of a key while moto makes the headers of its answer."""

    def __init__(self, key):
        self.key = key

    def __getattr__(self, name):
        return b"" if name == "value" else getattr(self.key, name)


def headers_of(original, response, key):
    response.__dict__["_get_key"] = lambda *_args, **_options: (Hollow(key), False)
    try:
        _status, headers, _body = original(response)
        return headers
    finally:
        del response.__dict__["_get_key"]


def wanted_range(header, size):
    """First and last byte of a Range header with one range; anything else means the whole object, as in S3."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "")
    if found is None or found.group(0) == "bytes=-":
        return 0, size - 1
    begin, end = found.groups()
    if begin == "":
        return max(0, size - int(end)), size - 1
    if int(begin) >= size:
        raise InvalidRange(actual_size=str(size), range_requested=header)
    return int(begin), min(int(end), size - 1) if end else size - 1


class Pieces:
    """An iterable answer that closes its file when the server is done with it, also when the client went away."""

    def __init__(self, descriptor, first, last):
        self.descriptor, self.position, self.last = descriptor, first, last

    def __iter__(self):
        while self.position <= self.last:
            data = os.pread(self.descriptor, min(PIECE, self.last - self.position + 1), self.position)
            self.position += len(data)
            yield data

    def close(self):
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def pieces(descriptor, first, last):
    return Pieces(descriptor, first, last)


def send_range(original, self, request, response_headers, response_content):
    """moto cuts the range out of a 200 answer; a streamed one is whole on purpose."""
    if isinstance(response_content, Pieces):
        return 200, response_headers, response_content
    return original(self, request, response_headers, response_content)


def head_object(original, self, bucket_name, query, key_name, headers):
    """A composite checksum ends in `-<number of parts>`."""
    status, answer, body = original(self, bucket_name, query, key_name, headers)
    if status == 200:
        key = self.backend.head_object(bucket_name, key_name, version_id=query.get("versionId", [None])[0])
        name = f"x-amz-checksum-{(getattr(key, 'checksum_algorithm', None) or '').lower()}"
        if getattr(key, "checksum_type", None) and name in answer:
            answer["x-amz-checksum-type"] = key.checksum_type
            if key.checksum_type == "COMPOSITE":
                answer[name] = f"{key.checksum_value}-{key.checksum_parts}"
    return status, answer, body


patch(
    S3Response,
    setup_class=setup_once,
    _handle_encoded_body=decode_chunks,
    _get_checksum=get_checksum,
    _key_response_put=put,
    get_object=get_object,
    head_object=head_object,
    _handle_range_header=send_range,
)
