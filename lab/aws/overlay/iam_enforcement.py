"""Every request is authenticated by its signature and authorized by the policies that count for it.

It is off until `POST /moto-api/reset-auth` with body `0`, so that accounts, users and roles can be made first; `inf`
turns it off again. Pre-signed URLs and role trust are checked in either case.
"""

import contextvars
import json

from moto import settings
from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.responses import BaseResponse
from moto.moto_api._internal import urls
from moto.s3.responses import S3Response

from . import signatures
from .iam_callers import caller_context, expire_session, find_caller
from .iam_permissions import Needed, Place, modelling
from .iam_policy import Principal, Request, evaluate, resource_grant
from .iam_requests import needed
from .iam_s3_requests import on, s3
from .parameters import parameters_of
from .refusals import access_denied, refuse
from .support import AwsError, patch

# Global condition keys that the lab sets wherever AWS does; of any other it does not know.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
GLOBAL_KEYS = modelling(
    "aws:currenttime",
    "aws:epochtime",
    "aws:multifactorauthpresent",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principaltag/",
    "aws:principaltype",
    "aws:requestedregion",
    "aws:resourceaccount",
    "aws:securetransport",
    "aws:tokenissuetime",
    "aws:userid",
    "aws:username",
    "aws:useragent",
    "aws:viaawsservice",
)
# A request whose time is further off than this is refused (General Reference, "Signing requests", 15 minutes).
CLOCK_SKEW_SECONDS = 15 * 60

_caller = contextvars.ContextVar("caller", default=None)
_judged_by_action = set()


def enforced():
    return ActionAuthenticatorMixin.request_count >= settings.INITIAL_NO_AUTH_ACTION_COUNT


def current_caller():
    """Who makes the call under way; None while nothing is enforced."""
    return _caller.get() if enforced() else None


def place_of(caller, region):
    return Place(caller.account, region, tuple(arn for arn in (caller.arn, caller.role_arn) if arn))


# ---- who calls


def authenticate(response):
    """The caller whose signature the request carries. Raises the service's own error for a request that proves none."""
    signature = signatures.signature_of(response)
    if signature is None:
        raise refuse(response, "missing")
    caller = find_caller(signature.access_key_id, response.current_account, response.partition)
    if caller is None:
        raise refuse(response, "unknown-key")
    check_signature(response, signature, caller)
    return caller


def check_signature(response, signature, caller):
    if signature.token != (caller.session.token if caller.session else ""):
        raise refuse(response, "wrong-token")
    try:
        age = signature.age
    except ValueError:
        raise refuse(response, "wrong-signature")
    if signature.presigned:
        check_presigned(response, signature, age)
    elif abs(age) > CLOCK_SKEW_SECONDS:
        raise refuse(response, "wrong-time")
    if not signatures.is_signed_by(response, signature, caller.secret):
        raise refuse(response, "wrong-signature")
    if caller.session is not None and caller.session.expired:
        raise refuse(response, "expired-session")


def check_presigned(response, signature, age):
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html"""
    if age > signature.expires:
        raise AwsError("AccessDenied", "Request has expired")
    # Whoever signs decides on every x-amz- header: the sender of a pre-signed request can add none.
    sent = [name for name in response.headers.keys() if name.lower().startswith("x-amz-")]
    extra = [name for name in sent if name.lower() not in signature.headers]
    if extra:
        raise AwsError(
            "AccessDenied", f"There were headers present in the request which were not signed: {', '.join(extra)}"
        )


# ---- what the caller may do


def request_of(caller, wanted, region, user_agent=""):
    context = {
        **caller_context(caller),
        "aws:requestedregion": (region,),
        "aws:useragent": (user_agent,),
        "aws:resourceaccount": (wanted.owner or caller.account,),
        **wanted.context,
    }
    return Request(
        wanted.action, wanted.resource, context, lambda key: GLOBAL_KEYS(key) or key in context or wanted.modelled(key)
    )


def verdict(caller, wanted, region, user_agent=""):
    if wanted.resource is None:
        _judged_by_action.add(wanted.action)
    return evaluate(
        request_of(caller, wanted, region, user_agent),
        caller.principal,
        caller.identity_policies,
        boundary=caller.boundary,
        session=caller.session_policies,
        resource_policy=wanted.resource_policy,
        resource_account=wanted.owner,
        granted=wanted.granted,
        resource_must_allow=wanted.resource_must_allow,
    )


def permits(wanted: Needed, region):
    """Whether the caller of the call under way has a permission; everyone has while nothing is enforced."""
    caller = current_caller()
    return caller is None or verdict(caller, wanted, region).allowed


def require(response, caller, permissions):
    agent = response.headers.get("User-Agent", "")
    for wanted in permissions:
        found = verdict(caller, wanted, response.region, agent)
        if not found.allowed:
            raise access_denied(response, caller, wanted, found.reason)


# ---- where moto asks


def authorize(_original, self, resource="*"):
    del resource  # moto's own idea of it
    _caller.set(None)
    if not enforced() or self.headers.get("X-Amz-Target") in ActionAuthenticatorMixin.PUBLIC_OPERATIONS:
        return
    caller = authenticate(self)
    _caller.set(caller)
    place = place_of(caller, self.region)
    require(self, caller, needed(self.service_name, self._get_action(), parameters_of(self), place))


def authorize_s3(response, operation, parameters):
    """S3 has paths for actions and may be asked by no one in particular: calls.py tells the operation."""
    _caller.set(None)
    signature = signatures.signature_of(response)
    if not enforced():
        if signature is not None and signature.presigned:
            caller = find_caller(signature.access_key_id, response.current_account, response.partition)
            if caller is not None:
                check_signature(response, signature, caller)
        return
    if signature is None:
        authorize_anyone(response, operation, parameters)
        return
    caller = authenticate(response)
    _caller.set(caller)
    require(response, caller, s3(operation, parameters, response.headers, place_of(caller, response.region)))


def authorize_anyone(response, operation, parameters):
    """An unsigned request has only what a bucket policy gives to everyone."""
    nobody = Principal("", "")
    for wanted in s3(operation, parameters, response.headers, Place("", response.region)):
        request = Request(wanted.action, wanted.resource, wanted.context, wanted.modelled)
        denied, grant = resource_grant(wanted.resource_policy, request, nobody)
        if denied or not grant:
            raise AwsError("AccessDenied", "Access Denied")


def may_learn_of_absence(bucket_name, region):
    """Whether S3 tells the caller that an object is not there: without s3:ListBucket it answers 403 in place of 404.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html, "Permissions"
    """
    return permits(on("ListBucket", bucket_name), region)


def already_authorized(_original, _self, bucket_name=None, key_name=None):
    del bucket_name, key_name  # calls.py has asked `authorize_s3` before it called moto


def iam_endpoint(request, _url, _headers):
    """GET: what is enforced. POST {"expireSession": <access key id>}: that session ends now, as by its age."""
    status = 200
    if request.method == "POST":
        status = 200 if expire_session(json.loads(request.data).get("expireSession")) else 404
    body = {"enforced": enforced(), "judgedByActionOnly": sorted(_judged_by_action)}
    return status, {"Content-Type": "application/json"}, json.dumps(body)


urls.url_paths["{0}/moto-api/lab/iam"] = iam_endpoint
patch(BaseResponse, _authenticate_and_authorize_normal_action=authorize)
patch(S3Response, _authenticate_and_authorize_s3_action=already_authorized)
