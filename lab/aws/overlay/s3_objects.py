"""S3 objects: bodies that are checked and go to disk, and come from there, in pieces.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
"""

import os
import re
from urllib.parse import parse_qs, urlparse

from moto.s3.exceptions import InvalidRange
from moto.s3.responses import S3Response

from . import s3_conditions
from .s3_bodies import PIECE, Body, descriptor_of, receive, takes_body
from .s3_checksums import expected_algorithm, given, header_of
from .support import AwsError, patch

# "If you don't specify a checksum algorithm, S3 calculates the CRC64NVME checksum": PutObject, S3 API Reference.
DEFAULT_ALGORITHM = "CRC64NVME"


# ---- the request's body


def setup_once(original, self, request, full_url=None, headers=None):
    """Takes the body of an object off the connection before moto reads it into memory.

    calls.py runs the set-up before moto does; what is wrong with the body is told where the object is put.
    """
    if getattr(self, "_set_up_for", None) is request:
        return
    self.trailers = {}
    self.upload = self.refused = None
    query = parse_qs(urlparse(request.raw_url).query, keep_blank_values=True)
    if takes_body(request, query):
        try:
            self.upload = receive(request, self.trailers)
        except AwsError as reason:
            self.refused, self.upload = reason, Body()
        request._cached_data = b""
    original(self, request, full_url, headers)
    if self.upload is not None:
        self.body = self.upload
    self._set_up_for = request


def decode_chunks(original, self, body):
    return body if self.upload is not None else original(self, body)


def decode_signed_chunks(original, self, body, content_length):
    return body if self.upload is not None else original(self, body, content_length)


def get_checksum(original, self, response_headers):
    """(ALGORITHM, base64 value) of the body that this call brought."""
    if self.upload is None:
        return original(self, response_headers)
    algorithm, value = given(self.headers, self.trailers)
    if algorithm is None:
        algorithm = expected_algorithm(self.headers) or DEFAULT_ALGORITHM
        value = self.upload.checksum(algorithm)
    response_headers[header_of(algorithm)] = value
    return algorithm, value


def put(original, self, query, key_name):
    if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
        raise AwsError("NotImplemented", "A header you provided implies functionality that is not implemented")
    if "x-amz-copy-source" in self.headers and "uploadId" not in query:
        # moto asks a copy into a locked bucket for Content-MD5 too; a copy has no body to take it of.
        self._set_action("KEY", "PUT", query)
        self._authenticate_and_authorize_s3_action(bucket_name=self.bucket_name, key_name=key_name)
        return self.copy_object()
    if self.refused is not None:
        raise self.refused
    return original(self, query, key_name)


def put_object(original, self):
    with s3_conditions.held(self):
        return original(self)


# ---- the answer's body


def get_object(original, self):
    """Whole objects, ranges and parts from the object's file, a piece at a time; moto reads all of it for each."""
    key, not_modified = self._get_key()
    part = self._get_int_param("partNumber")
    if part and self.headers.get("Range"):
        raise AwsError("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
    stretch = stretch_of_part(key, part) if part else None
    if not_modified or (key.size <= PIECE and stretch is None):
        return original(self)
    headers = headers_of(original, self, key)
    first, last = stretch or wanted_range(self.headers.get("Range"), key.size)
    descriptor = descriptor_of(key)
    body = Pieces(descriptor, first, last) if descriptor is not None else key.value[first : last + 1]
    headers["content-length"] = str(last - first + 1)
    if stretch is None and (first, last) == (0, key.size - 1):
        return 200, headers, body
    for name in [name for name in headers if name.lower().startswith("x-amz-checksum-")]:
        del headers[name]
    headers["content-range"] = f"bytes {first}-{last}/{key.size}"
    if stretch is not None:
        headers["x-amz-mp-parts-count"] = str(len(getattr(key, "part_sizes", [key.size])))
    return 206, headers, body


def stretch_of_part(key, number):
    """First and last byte of a part, as the upload was completed; an object put whole has one part."""
    sizes = getattr(key, "part_sizes", [key.size])
    if not 1 <= number <= len(sizes):
        raise AwsError("InvalidPartNumber", "The requested partnumber is not satisfiable")
    first = sum(sizes[: number - 1])
    return first, first + sizes[number - 1] - 1


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
        name = header_of(getattr(key, "checksum_algorithm", None) or "")
        if name in answer:
            answer["x-amz-checksum-type"] = key.checksum_type or "FULL_OBJECT"
            if key.checksum_type == "COMPOSITE":
                answer[name] = f"{key.checksum_value}-{key.checksum_parts}"
    return status, answer, body


patch(
    S3Response,
    setup_class=setup_once,
    _handle_encoded_body=decode_chunks,
    _handle_v4_chunk_signatures=decode_signed_chunks,
    _get_checksum=get_checksum,
    _key_response_put=put,
    put_object=put_object,
    get_object=get_object,
    head_object=head_object,
    _handle_range_header=send_range,
)
