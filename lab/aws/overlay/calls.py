"""Around every call: faults, journal, and AWS-shaped errors where moto would answer an HTML page."""

import json
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

from . import faults, journal
from .s3_operations import operation_of
from .support import AwsError, patch

THROTTLED = re.compile("Throttl|RequestLimit|SlowDown|TooManyRequests")
# S3's statuses that its error codes stand for; others are 400.
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
S3_STATUS = {
    "AccessDenied": 403,
    "InvalidAccessKeyId": 403,
    "SignatureDoesNotMatch": 403,
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


def parameters_of(response):
    """The parameters of a call as a plain dictionary, whatever the protocol."""
    if getattr(response, "automated_parameter_parsing", False):
        parsed = getattr(response, "params", {})
        plain = parsed.original_dict() if hasattr(parsed, "original_dict") else dict(parsed)
        return {**plain, **response.uri_match}
    body = response.body if isinstance(response.body, (str, bytes)) else ""
    try:
        parsed = json.loads(body)
        if isinstance(parsed, dict):
            return {**parsed, **(response.uri_match or {})}
    except (ValueError, TypeError):
        pass
    query = {name: values[0] for name, values in response.querystring.items() if isinstance(values, list) and values}
    return {name: value for name, value in query.items() if name not in ("Action", "Version")}


def status_of(service, code):
    if THROTTLED.search(code):
        return 503 if service in ("ec2", "s3") else 400
    if code in ("InternalError", "InternalFailure", "InternalServerError"):
        return 500
    if code in ("ServiceUnavailable", "Unavailable"):
        return 503
    return 403 if code == "UnauthorizedOperation" else None


def error_in(status, headers, body):
    """The error code of an answer, read from what moto already serialized."""
    if int(status) < 400:
        return None
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    found = re.search(r"<Code>([^<]+)</Code>", text) or re.search(r'"__type":\s*"(?:[^"]*#)?([^"]+)"', text)
    return found.group(1) if found else (headers or {}).get("X-Amzn-ErrorType") or str(status)


def call_action(original, self):
    started = time.time()
    service, action = self.service_name, self._get_action()
    account = self.current_account
    parameters = parameters_of(self)
    answer = None
    error = None
    fault = faults.take(service, action, account, parameters)
    try:
        if fault and fault.get("delay"):
            time.sleep(fault["delay"])
        if fault and fault.get("code") and fault.get("when") != "after":
            raise injected(fault)
        answer = original(self)
        if fault and fault.get("code"):
            raise injected(fault)
    except NotImplementedError as reason:
        error = AwsError("UnknownOperationException", f"not implemented by the emulator: {reason}")
    except ServiceException as reason:
        error = reason
    except HTTPException:
        raise
    except Exception as reason:
        # An HTML page from the web framework would reach the SDK as a parse error and hide what happened.
        traceback.print_exc(file=sys.stderr)
        error = AwsError("InternalFailure", f"the emulator failed: {type(reason).__name__}: {reason}")
    if error is not None:
        status, headers, body = self.serialized(ActionResult(error))
        status = (fault or {}).get("status") or status_of(service, error.code) or status
        headers = {**headers, "status": str(status)}
        answer = status, headers, body
    code = error.code if error is not None else error_in(*answer)
    agent = self.headers.get("User-Agent", "")
    journal.write(started, service, action, account, getattr(self, "region", None), parameters, agent, code, answer[0])
    return answer


def injected(fault):
    return AwsError(fault["code"], fault.get("message", "injected by the lab"))


# ---- S3 has a dispatcher of its own


def s3_call(original, self, request, full_url, headers):
    started = time.time()
    self.setup_class(request)
    action, parameters = operation_of(request, self.bucket_name, self.parse_key_name())
    fault = faults.take("s3", action, self.current_account, parameters)
    error = None
    try:
        if fault and fault.get("delay"):
            time.sleep(fault["delay"])
        if fault and fault.get("code") and fault.get("when") != "after":
            raise injected(fault)
        answer = original(self, request, full_url, headers)
        if fault and fault.get("code"):
            raise injected(fault)
    except NotImplementedError as reason:
        error = AwsError("NotImplemented", f"not implemented by the emulator: {reason}")
    except ServiceException as reason:
        error = reason
    except HTTPException:
        raise
    except Exception as reason:
        traceback.print_exc(file=sys.stderr)
        error = AwsError("InternalError", f"the emulator failed: {type(reason).__name__}: {reason}")
    if error is not None:
        status = (fault or {}).get("status") or status_of("s3", error.code) or S3_STATUS.get(error.code, 400)
        answer = s3_error(status, error.code, error.message)
    code = error.code if error is not None else error_in(*answer)
    agent = request.headers.get("User-Agent", "")
    journal.write(started, "s3", action, self.current_account, self.region, parameters, agent, code, answer[0])
    return answer


def s3_error(status, code, message):
    error = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{error}'
    return status, {"content-type": "application/xml"}, body


# ---- who calls


def access_key(original, self):
    """A presigned URL carries its access key in the query."""
    if "Authorization" not in self.headers:
        query = parse_qs(urlparse(self.uri).query) if getattr(self, "uri", None) else {}
        if credential := query.get("X-Amz-Credential"):
            return credential[0].split("/")[0]
    return original(self)


def authorize(original, self, resource="*"):
    """moto answers a refusal as XML even to services that speak JSON, and under one code where EC2 has its own."""
    try:
        return original(self, resource)
    except HTTPException as refusal:
        if self.service_name == "ec2" and getattr(refusal, "error_type", "") == "AccessDenied":
            message = f"You are not authorized to perform this operation. {getattr(refusal, 'message', '')}"
            raise AwsError("UnauthorizedOperation", message)
        if getattr(self, "request_json", False) or "json" in self.headers.get("Content-Type", ""):
            code = getattr(refusal, "error_type", "AccessDenied")
            code = "AccessDeniedException" if code == "AccessDenied" else code
            raise AwsError(code, getattr(refusal, "message", "not authorized"))
        raise


patch(
    BaseResponse,
    call_action=call_action,
    get_access_key=access_key,
    _authenticate_and_authorize_normal_action=authorize,
)
patch(S3Response, key_response=s3_call, bucket_response=s3_call)
