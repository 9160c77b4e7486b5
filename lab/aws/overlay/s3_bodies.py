"""Bodies of objects and parts: to disk as they come in, with their digests taken on the way, and from disk again."""

import base64
import hashlib
import os
import re
import tempfile

from moto.s3.models import FakeKey
from moto.s3.responses import S3Response

from .s3_checksums import MAKE, encoded, expected_algorithm, given
from .support import AwsError

PIECE = 1 << 20
CHUNKED = re.compile(r"STREAMING-.*")
TOO_SHORT = "You did not provide the number of bytes specified by the Content-Length HTTP header."


class Body:
    """Bytes of an object: in memory up to one PIECE, in a file of the lab's state beyond."""

    def __init__(self, algorithms=(), with_md5=True):
        self.file = tempfile.SpooledTemporaryFile(max_size=PIECE)
        self.size = 0
        self._md5 = hashlib.md5() if with_md5 else None
        self._digests = {algorithm: MAKE[algorithm]() for algorithm in algorithms}

    def write(self, data):
        self.file.write(data)
        self.size += len(data)
        if self._md5 is not None:
            self._md5.update(data)
        for digest in self._digests.values():
            digest.update(data)

    def write_all(self, pieces):
        for data in pieces:
            self.write(data)
        return self

    def checksum(self, algorithm):
        """Base64; taken from the file if it was not known before that it would be asked for."""
        if algorithm not in self._digests:
            digest = MAKE[algorithm]()
            self.file.seek(0)
            while data := self.file.read(PIECE):
                digest.update(data)
            self._digests[algorithm] = digest
        return encoded(self._digests[algorithm])

    @property
    def md5(self):
        return self._md5.hexdigest()

    def __len__(self):
        return self.size


# ---- objects made of bodies


def set_value(key, value):
    """moto's keys take bytes; here they take a Body too, and its file becomes theirs."""
    if not isinstance(value, Body):
        BYTES_OF_KEY.fset(key, value)
        return
    key._value_buffer.close()
    key._value_buffer, key.contentsize = value.file, value.size
    if key._etag is None:
        key._etag = value.md5


BYTES_OF_KEY = FakeKey.value
FakeKey.value = property(BYTES_OF_KEY.fget, set_value)


def descriptor_of(key):
    """A descriptor of the key's file, the caller's to close; None of a key that is held in memory."""
    with key.lock:
        buffer = key._value_buffer
        buffer.flush()
        return os.dup(buffer.fileno()) if buffer._rolled else None


def contents(key, first, size):
    """A stretch of an object, piece by piece, whoever else reads it."""
    descriptor = descriptor_of(key)
    if descriptor is None:
        yield key.value[first : first + size]
        return
    try:
        end = first + size
        while first < end:
            data = os.pread(descriptor, min(PIECE, end - first), first)
            if not data:
                raise EOFError(f"{end - first} bytes of {key.name} are missing")
            first += len(data)
            yield data
    finally:
        os.close(descriptor)


# ---- receiving


def takes_body(request, query):
    """Whether a request brings bytes of an object (and not XML, or nothing)."""
    if request.method != "PUT" or "x-amz-copy-source" in request.headers:
        return False
    path = request.path.lstrip("/")
    names_object = bool(path) if S3Response.subdomain_based_buckets(request) else bool(path.partition("/")[2])
    return names_object and not {"acl", "legal-hold", "retention", "tagging", "renameObject"} & set(query)


def receive(request, trailers):
    """The body of a PutObject or UploadPart, checked by each digest that came with it. `trailers` is filled."""
    headers = request.headers
    signed = headers.get("x-amz-content-sha256", "")
    algorithms = {expected_algorithm(headers)} - {None}
    if re.fullmatch("[0-9a-f]{64}", signed):
        algorithms.add("SHA256")
    body = Body(algorithms)
    stream = request.stream
    body.write_all(unchunked(stream, trailers) if CHUNKED.match(signed) else pieces_of(stream))
    stated = headers.get("x-amz-decoded-content-length") if CHUNKED.match(signed) else headers.get("Content-Length")
    if stated is not None and int(stated) != body.size:
        raise AwsError("IncompleteBody", TOO_SHORT)
    check(body, headers, trailers, signed)
    return body


def pieces_of(stream):
    while data := stream.read(PIECE):
        yield data


def unchunked(stream, trailers):
    """aws-chunked: `<hex size>[;extension]\\r\\n<data>\\r\\n` … `0\\r\\n<trailer>: <value>\\r\\n\\r\\n`."""
    while True:
        line = stream.readline()
        try:
            left = int(line.split(b";")[0], 16)
        except ValueError:
            raise AwsError("IncompleteBody", TOO_SHORT)
        if left == 0:
            break
        while left:
            data = stream.read(min(PIECE, left))
            if not data:
                raise AwsError("IncompleteBody", TOO_SHORT)
            left -= len(data)
            yield data
        stream.readline()
    for line in iter(stream.readline, b""):
        name, _, value = line.strip().partition(b":")
        if value:
            trailers[name.strip().decode().lower()] = value.strip().decode()


def check(body, headers, trailers, signed):
    md5 = headers.get("Content-MD5")
    if md5 and base64.b64decode(md5).hex() != body.md5:
        raise AwsError("BadDigest", "The Content-MD5 you specified did not match what we received.")
    if re.fullmatch("[0-9a-f]{64}", signed) and base64.b64decode(body.checksum("SHA256")).hex() != signed:
        raise AwsError(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )
    algorithm, value = given(headers, trailers)
    if algorithm is not None and body.checksum(algorithm) != value:
        raise AwsError("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.")
