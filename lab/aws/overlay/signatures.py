"""Signature Version 4 of a request, in its header or in its query.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import re
import time
from calendar import timegm
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote, urlsplit

from .requests import FORM_SHA256

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<credential>[^,\s]+),\s*SignedHeaders=(?P<headers>[^,\s]+),\s*"
    r"Signature=(?P<signature>[0-9a-f]+)"
)
UNRESERVED = "-_.~"


@dataclass(frozen=True)
class Signature:
    access_key_id: str
    scope: str  # date/region/service/aws4_request
    signed_at: str  # YYYYMMDDTHHMMSSZ
    headers: tuple
    value: str
    token: str = ""
    expires: int = 0  # seconds; of a pre-signed request
    presigned: bool = False

    @property
    def age(self):
        """Seconds since it was signed; negative for a clock that runs ahead. Raises ValueError for no date."""
        return time.time() - timegm(time.strptime(self.signed_at, "%Y%m%dT%H%M%SZ"))


def query_of(response):
    """The query, decoded once; a `+` stays a `+`, as SigV4 has it."""
    pairs = (item.partition("=") for item in urlsplit(response.uri).query.split("&") if item)
    return {unquote(name): unquote(value) for name, _, value in pairs}


def signature_of(response):
    """The signature that a request carries; None for an anonymous one."""
    if found := AUTHORIZATION.match(response.headers.get("Authorization", "")):
        key, _, scope = found["credential"].partition("/")
        return Signature(
            key,
            scope,
            response.headers.get("X-Amz-Date", ""),
            tuple(found["headers"].split(";")),
            found["signature"],
            response.headers.get("X-Amz-Security-Token", ""),
        )
    query = query_of(response)
    if "X-Amz-Signature" not in query:
        return None
    key, _, scope = query.get("X-Amz-Credential", "").partition("/")
    return Signature(
        key,
        scope,
        query.get("X-Amz-Date", ""),
        tuple(query.get("X-Amz-SignedHeaders", "").split(";")),
        query["X-Amz-Signature"],
        query.get("X-Amz-Security-Token", ""),
        int(query.get("X-Amz-Expires", "0")),
        presigned=True,
    )


def is_signed_by(response, signature, secret):
    canonical = canonical_request(response, signature)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join(["AWS4-HMAC-SHA256", signature.signed_at, signature.scope, digest])
    expected = hmac.new(signing_key(secret, signature.scope), to_sign.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, signature.value)


@lru_cache(maxsize=256)
def signing_key(secret, scope):
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def canonical_request(response, signature):
    query = "&".join(
        f"{quote(name, safe=UNRESERVED)}={quote(value, safe=UNRESERVED)}"
        for name, value in sorted(query_of(response).items())
        if name != "X-Amz-Signature"
    )
    headers = "".join(f"{name}:{' '.join(response.headers.get(name, '').split())}\n" for name in signature.headers)
    parts = [response.method, path_of(response), query, headers, ";".join(signature.headers)]
    return "\n".join([*parts, payload_hash(response, signature)])


def path_of(response):
    """S3 encodes a path once, every other service what has been encoded already once more."""
    path = response.raw_path.split("?")[0] or "/"
    return quote(unquote(path) if response.service_name == "s3" else path, safe="/" + UNRESERVED)


def payload_hash(response, signature):
    if signature.presigned:
        return query_of(response).get("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
    # S3 streams: its body is compared with the hash (or signed in chunks) where it is received.
    if response.service_name == "s3":
        return response.headers.get("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
    of_form = response.normalized_request.environ.get(FORM_SHA256)
    if of_form is not None:
        return of_form
    body = response.raw_body
    return hashlib.sha256(body if isinstance(body, bytes) else str(body).encode()).hexdigest()
