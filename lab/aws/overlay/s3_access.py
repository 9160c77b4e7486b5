"""Who may reach a bucket: its own account, the accounts that its policy admits, and only as the expected owner.

Where IAM is enforced, iam_enforcement.py has judged the call by every policy before it comes here. While it is off,
everyone may do everything in the own account, and the bucket's policy still decides for other accounts and denies.
"""

from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket, s3_backends
from moto.s3.responses import S3Response

from .iam_callers import caller_context, find_caller
from .iam_enforcement import enforced, place_of
from .iam_permissions import Place
from .iam_policy import Principal, Request, resource_grant
from .iam_s3_requests import s3
from .s3_operations import operation_of
from .support import AwsError, patch


def check_expected_owners(response):
    expectations = [(response.bucket_name, response.headers.get("x-amz-expected-bucket-owner"))]
    if source := response.headers.get("x-amz-copy-source"):
        source_bucket = source.lstrip("/").split("/", 1)[0]
        expectations.append((source_bucket, response.headers.get("x-amz-source-expected-bucket-owner")))
    for bucket_name, expected in expectations:
        place = s3_backends.bucket_accounts.get(bucket_name)
        if expected and place is not None and place[1] != expected:
            raise AwsError("AccessDenied", "Access Denied")


def check_policies(response):
    """The bucket policies of a call while IAM is off, conditions and all."""
    operation, parameters = operation_of(response.request, response.bucket_name, response.parse_key_name())
    account = response.current_account
    caller = find_caller(response.get_access_key(), account, response.partition)
    if caller is not None and caller.account != account:
        caller = None  # the management account's root, acting for the account of the call
    principal = caller.principal if caller else Principal(account, f"arn:aws:iam::{account}:root")
    place = place_of(caller, response.region) if caller else Place(account, response.region, (principal.arn,))
    common = caller_context(caller) if caller else {"aws:securetransport": ("true",)}
    for wanted in s3(operation, parameters, response.headers, place):
        if not wanted.action.startswith("s3:"):
            continue  # keys are judged by kms_access.py where they are used
        context = {**common, **wanted.context}
        request = Request(
            wanted.action,
            wanted.resource,
            context,
            lambda key, wanted=wanted, context=context: key in context or wanted.modelled(key),
        )
        denied, grant = resource_grant(wanted.resource_policy, request, principal)
        foreign = wanted.owner not in (None, account)
        if denied or (foreign and not grant):
            raise AwsError("AccessDenied", "Access Denied")


def bucket_response(original, self, request, full_url):
    check_expected_owners(self)
    if not enforced():
        check_policies(self)
    return original(self, request, full_url)


def get_permission(_original, _self, _action, _resource):
    """moto asks once more, by a rule that ignores Condition: all has been judged."""
    return PermissionResult.PERMITTED


patch(FakeBucket, get_permission=get_permission)
patch(S3Response, _key_response=bucket_response, _bucket_response=bucket_response)
