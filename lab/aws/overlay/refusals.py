"""What AWS's services answer when they refuse: the same reason has another code and status in each."""

from .support import AwsError

INVALID = "The security token included in the request is invalid."
VALIDATE = "AWS was not able to validate the provided access credentials"
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
S3_MISMATCH = "The request signature we calculated does not match the signature you provided."
UNKNOWN_KEY = "The AWS Access Key Id you provided does not exist in our records."
SKEWED = "The difference between the request time and the current time is too large."
EXPIRED_SIGNATURE = "Signature expired: the time of the request is too far from the current time."

# By reason: what EC2, S3, services that speak JSON, and the others (query) answer.
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
# https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
ANSWERS = {
    "missing": {
        "ec2": ("AuthFailure", VALIDATE),
        "s3": ("AccessDenied", "Access Denied"),
        "json": ("MissingAuthenticationTokenException", "Missing Authentication Token"),
        "query": ("MissingAuthenticationToken", "Request is missing Authentication Token"),
    },
    "unknown-key": {
        "ec2": ("AuthFailure", VALIDATE),
        "s3": ("InvalidAccessKeyId", UNKNOWN_KEY),
        "json": ("UnrecognizedClientException", INVALID),
        "query": ("InvalidClientTokenId", INVALID),
    },
    "wrong-token": {
        "ec2": ("AuthFailure", VALIDATE),
        "s3": ("InvalidToken", "The provided token is malformed or otherwise invalid."),
        "json": ("UnrecognizedClientException", INVALID),
        "query": ("InvalidClientTokenId", INVALID),
    },
    "wrong-signature": {
        "ec2": ("AuthFailure", VALIDATE),
        "s3": ("SignatureDoesNotMatch", S3_MISMATCH),
        "json": ("InvalidSignatureException", MISMATCH),
        "query": ("SignatureDoesNotMatch", MISMATCH),
    },
    "wrong-time": {
        "ec2": ("RequestExpired", "Request has expired."),
        "s3": ("RequestTimeTooSkewed", SKEWED),
        "json": ("InvalidSignatureException", EXPIRED_SIGNATURE),
        "query": ("SignatureDoesNotMatch", EXPIRED_SIGNATURE),
    },
    "expired-session": {
        "ec2": ("RequestExpired", "Request has expired."),
        "s3": ("ExpiredToken", "The provided token has expired."),
        "json": ("ExpiredTokenException", "The security token included in the request is expired"),
        "query": ("ExpiredToken", "The security token included in the request is expired"),
    },
}
REST_JSON = {"ebs", "guardduty", "securityhub"}


def dialect(response):
    if response.service_name in ("ec2", "s3"):
        return response.service_name
    target = response.headers.get("X-Amz-Target")
    return "json" if target or response.service_name in REST_JSON else "query"


def refuse(response, reason):
    return AwsError(*ANSWERS[reason][dialect(response)])


def access_denied(response, caller, wanted, reason):
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html"""
    spoken = dialect(response)
    resource = f'"{wanted.resource}"' if spoken == "s3" else wanted.resource
    on = "" if wanted.resource in (None, "*") else f" on resource: {resource}"
    message = f"User: {caller.arn} is not authorized to perform: {wanted.action}{on} {reason}"
    if spoken == "ec2":
        return AwsError("UnauthorizedOperation", f"You are not authorized to perform this operation. {message}")
    if spoken == "json":
        return AwsError("AccessDeniedException", message)
    if response.service_name == "sns":
        return AwsError("AuthorizationError", message)
    return AwsError("AccessDenied", message)
