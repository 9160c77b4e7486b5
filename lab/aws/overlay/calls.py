"""Around every call: faults, journal, and AWS-shaped errors where moto would answer an HTML page."""

import re
import sys
import time
import traceback
from urllib.parse import parse_qs, urlparse
from xml.sax.saxutils import escape

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse
from moto.s3.responses import S3Response
from werkzeug.exceptions import HTTPException

from . import faults, held_calls, journal
from .iam_enforcement import authorize_s3, may_learn_of_absence
from .parameters import parameters_of
from .s3_operations import operation_of
from .support import AwsError, patch

THROTTLED = re.compile("Throttl|RequestLimit|SlowDown|TooManyRequests")
# S3's statuses that its error codes stand for; others are 400.
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
S3_STATUS = {
    "AccessDenied": 403,
    "BucketAlreadyExists": 409,
    "BucketAlreadyOwnedByYou": 409,
    "InvalidAccessKeyId": 403,
    "SignatureDoesNotMatch": 403,
    "RequestTimeTooSkewed": 403,
    "InternalError": 500,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NoSuchUpload": 404,
    "NoSuchObjectLockConfiguration": 404,
    "NoSuchVersion": 404,
    "NotImplemented": 501,
    "PreconditionFailed": 412,
    "RequestTimeout": 400,
    "ServiceUnavailable": 503,
}
# https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html; EC2's and EBS's differ.
REFUSALS = {
    "AccessDenied": 403,
    "AuthFailure": 401,
    "AuthorizationError": 403,
    "ExpiredToken": 403,
    "InvalidClientTokenId": 403,
    "MissingAuthenticationToken": 403,
    "SignatureDoesNotMatch": 403,
    "UnauthorizedOperation": 403,
}


def status_of(service, code):
    if THROTTLED.search(code):
        return 503 if service in ("ec2", "s3") else 400
    if code in ("InternalError", "InternalFailure", "InternalServerError"):
        return 500
    if code in ("ServiceUnavailable", "Unavailable"):
        return 503
    if service == "s3":
        return S3_STATUS.get(code, 400)
    if service == "ebs" and code == "AccessDeniedException":
        return 403
    return REFUSALS.get(code)


def error_in(status, headers, body):
    """The error code of an answer, read from what moto already serialized."""
    if int(status) < 400:
        return None
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    found = re.search(r"<Code>([^<]+)</Code>", text) or re.search(r'"__type":\s*"(?:[^"]*#)?([^"]+)"', text)
    return found.group(1) if found else (headers or {}).get("X-Amzn-ErrorType") or str(status)


def carried_out(service, action, account, parameters, held, carry_out):
    """(answer, error, fault): exactly one of answer and error is there. `fault` is what struck the call, if one did."""
    fault = faults.take(service, action, account, parameters)
    try:
        if held:
            held.wait_before()
        if fault and fault.get("delay"):
            time.sleep(fault["delay"])
        if fault and fault.get("code") and fault.get("when") != "after":
            raise injected(fault)
        answer = carry_out()
        if fault and fault.get("code"):
            raise injected(fault)
        # Run Command's own server carries its calls out after this, and waits itself.
        if held and service != "ssm":
            held.wait_after()
        return answer, None, fault
    except NotImplementedError as reason:
        code = "NotImplemented" if service == "s3" else "UnknownOperationException"
        return None, AwsError(code, f"not implemented by the emulator: {reason}"), fault
    except ServiceException as reason:
        return None, reason, fault
    except HTTPException:
        raise
    except Exception as reason:
        # An HTML page from the web framework would reach the SDK as a parse error and hide what happened.
        traceback.print_exc(file=sys.stderr)
        code = "InternalError" if service == "s3" else "InternalFailure"
        return None, AwsError(code, f"the emulator failed: {type(reason).__name__}: {reason}"), fault


def injected(fault):
    return AwsError(fault["code"], fault.get("message", "injected by the lab"))


def call_action(original, self):
    started = time.time()
    service, action = self.service_name, self._get_action()
    account = self.current_account
    parameters = parameters_of(self)
    agent = self.headers.get("User-Agent", "")
    held = held_calls.hold(service, action, account, parameters, agent)
    answer, error, fault = carried_out(service, action, account, parameters, held, lambda: original(self))
    if error is not None:
        status, headers, body = self.serialized(ActionResult(error))
        status = (fault or {}).get("status") or status_of(service, error.code) or status
        answer = status, {**headers, "status": str(status)}, body
    code = error.code if error is not None else error_in(*answer)
    if held and service == "ssm" and held.verdict == held_calls.CARRY_OUT:
        answer[1]["x-lab-held"] = str(held_calls.carried_out_elsewhere(held))
    journal.write(started, service, action, account, getattr(self, "region", None), parameters, agent, code, answer[0])
    return answer


# ---- S3 has a dispatcher of its own


def s3_call(original, self, request, full_url, headers):
    started = time.time()
    self.setup_class(request)
    action, parameters = operation_of(request, self.bucket_name, self.parse_key_name())

    def carry_out():
        authorize_s3(self, action, parameters)
        return original(self, request, full_url, headers)

    agent = request.headers.get("User-Agent", "")
    held = held_calls.hold("s3", action, self.current_account, parameters, agent)
    answer, error, fault = carried_out("s3", action, self.current_account, parameters, held, carry_out)
    code = error.code if error is not None else error_in(*answer)
    if code in ("NoSuchKey", "404") and action in ("GetObject", "HeadObject"):
        if not may_learn_of_absence(self.bucket_name, self.region):
            error, code = AwsError("AccessDenied", "Access Denied"), "AccessDenied"
    if error is not None:
        status = (fault or {}).get("status") or status_of("s3", error.code)
        answer = s3_error(status, error.code, error.message)
    journal.write(started, "s3", action, self.current_account, self.region, parameters, agent, code, answer[0])
    return answer


def s3_error(status, code, message):
    error = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{error}'
    return status, {"content-type": "application/xml"}, body


def access_key(original, self):
    """A presigned URL carries its access key in the query."""
    if "Authorization" not in self.headers:
        query = parse_qs(urlparse(self.uri).query) if getattr(self, "uri", None) else {}
        if credential := query.get("X-Amz-Credential"):
            return credential[0].split("/")[0]
    return original(self)


patch(BaseResponse, call_action=call_action, get_access_key=access_key)
patch(S3Response, key_response=s3_call, bucket_response=s3_call)
