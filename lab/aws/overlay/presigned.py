"""Presigned URLs: signature and expiry are checked, always; moto checks neither (and fails on them under enforcement).

The rule: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

import hashlib
import hmac
import time
from calendar import timegm
from urllib.parse import quote, unquote, urlsplit

from moto import settings
from moto.core.authorization import ActionAuthenticatorMixin
from moto.iam.access_control import CreateAccessKeyFailure, IAMPolicy, PermissionResult, create_access_key
from moto.s3.responses import S3Response

from .support import AwsError, patch


def authorize_s3(original, self, bucket_name=None, key_name=None):
    query = query_of(self)
    if "X-Amz-Signature" not in query or "Authorization" in self.headers:
        return original(self, bucket_name=bucket_name, key_name=key_name)
    enforced = ActionAuthenticatorMixin.request_count >= settings.INITIAL_NO_AUTH_ACTION_COUNT
    key = access_key_of(self, query)
    if key is None:
        if enforced:
            raise AwsError("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
        return None
    check_expiry(query)
    check_headers(self, query)
    if not hmac.compare_digest(query["X-Amz-Signature"], signature(self, query, key.create_credentials().secret_key)):
        raise AwsError(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided.",
        )
    if enforced:
        check_policies(self, key, bucket_name, key_name)
    return None


def query_of(response):
    """The query, decoded once; a `+` stays a `+`, as SigV4 has it."""
    pairs = (item.partition("=") for item in urlsplit(response.uri).query.split("&") if item)
    return {unquote(name): unquote(value) for name, _, value in pairs}


def access_key_of(response, query):
    token = query.get("X-Amz-Security-Token")
    try:
        return create_access_key(
            account_id=response.current_account,
            partition=response.partition,
            access_key_id=query["X-Amz-Credential"].split("/")[0],
            headers={"X-Amz-Security-Token": token} if token else {},
        )
    except CreateAccessKeyFailure:
        return None


def check_expiry(query):
    signed_at = timegm(time.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ"))
    if time.time() > signed_at + int(query["X-Amz-Expires"]):
        raise AwsError("AccessDenied", "Request has expired")


def check_headers(response, query):
    """Whoever signs decides on every x-amz- header: the sender of a presigned request can add none."""
    signed = query["X-Amz-SignedHeaders"].split(";")
    sent = [name for name in response.headers.keys() if name.lower().startswith("x-amz-")]
    extra = [name for name in sent if name.lower() not in signed]
    if extra:
        raise AwsError(
            "AccessDenied", f"There were headers present in the request which were not signed: {', '.join(extra)}"
        )


def signature(response, query, secret):
    signed_headers = query["X-Amz-SignedHeaders"].split(";")
    canonical_query = "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name, value in sorted(query.items())
        if name != "X-Amz-Signature"
    )
    headers = "".join(f"{name}:{' '.join(response.headers.get(name, '').split())}\n" for name in signed_headers)
    payload = query.get("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
    path = quote(unquote(response.raw_path.split("?")[0]), safe="/-_.~")
    canonical = "\n".join([response.method, path, canonical_query, headers, ";".join(signed_headers), payload])
    scope = query["X-Amz-Credential"].split("/", 1)[1]
    to_sign = "\n".join(
        ["AWS4-HMAC-SHA256", query["X-Amz-Date"], scope, hashlib.sha256(canonical.encode()).hexdigest()]
    )
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


def check_policies(response, key, bucket_name, key_name):
    """The policies of whoever signed must allow the action now, not only when the URL was made."""
    action = response._get_action()
    action = f"s3:{action[0] if isinstance(action, list) else action}"
    resource = f"arn:{response.partition}:s3:::{bucket_name or '*'}" + (f"/{key_name}" if key_name else "")
    results = [IAMPolicy(policy).is_action_permitted(action, resource) for policy in key.collect_policies()]
    if PermissionResult.DENIED in results or PermissionResult.PERMITTED not in results:
        raise AwsError("AccessDenied", "Access Denied")


patch(S3Response, _authenticate_and_authorize_s3_action=authorize_s3)
