"""S3's checksums: five algorithms, of whole objects and of parts.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

import base64
import hashlib
import zlib

from awscrt import checksums

from .support import AwsError


class Crc:
    """A CRC with the interface of hashlib; its digest is big-endian, as S3 has it."""

    def __init__(self, function, size):
        self._function, self._size, self._value = function, size, 0

    def update(self, data):
        self._value = self._function(data, self._value)

    def digest(self):
        return self._value.to_bytes(self._size, "big")


MAKE = {
    "CRC32": lambda: Crc(zlib.crc32, 4),
    "CRC32C": lambda: Crc(checksums.crc32c, 4),
    "CRC64NVME": lambda: Crc(checksums.crc64nvme, 8),
    "SHA1": hashlib.sha1,
    "SHA256": hashlib.sha256,
}
FULL_OBJECT, COMPOSITE = "FULL_OBJECT", "COMPOSITE"
# A composite is the digest of the parts' digests; whole objects are summed up only by algorithms that can be combined.
TYPES = {
    "CRC32": (COMPOSITE, FULL_OBJECT),
    "CRC32C": (COMPOSITE, FULL_OBJECT),
    "CRC64NVME": (FULL_OBJECT,),
    "SHA1": (COMPOSITE,),
    "SHA256": (COMPOSITE,),
}


def encoded(digest):
    return base64.b64encode(digest.digest()).decode()


def header_of(algorithm):
    return f"x-amz-checksum-{algorithm.lower()}"


def type_of_upload(algorithm, asked):
    """COMPOSITE or FULL_OBJECT of a multipart upload; the first of an algorithm's types unless the request says one."""
    types = TYPES[algorithm]
    if not asked:
        return types[0]
    if asked.upper() not in types:
        raise AwsError(
            "InvalidRequest",
            f"The {asked} checksum type cannot be used with the {algorithm.lower()} checksum algorithm.",
        )
    return asked.upper()


def given(headers, trailers):
    """(ALGORITHM, base64 value) from a header or a trailer; (None, None) without.

    The SDK puts the checksum of an empty body into the query of a presigned PUT: S3 ignores it, and so does the lab
    (https://github.com/aws/aws-sdk/issues/480).
    """
    for algorithm in MAKE:
        value = headers.get(header_of(algorithm)) or trailers.get(header_of(algorithm))
        if value:
            return algorithm, value
    return None, None


def expected_algorithm(headers):
    """The algorithm that a request will be checked by, known before its body and trailer have come; None without."""
    for name in ("x-amz-sdk-checksum-algorithm", "x-amz-checksum-algorithm"):
        word = headers.get(name, "").upper()
        if word in MAKE:
            return word
    trailer = headers.get("x-amz-trailer", "").lower()
    for algorithm in MAKE:
        if headers.get(header_of(algorithm)) or trailer == header_of(algorithm):
            return algorithm
    return None
