"""Who may reach a bucket: its own account, the accounts its policy names, and only as the expected owner."""

import json

from moto.s3.models import FakeBucket, S3Backend, s3_backends
from moto.s3.responses import S3Response

from .support import AwsError, names_account, patch, statements


def get_bucket(original, self, bucket_name):
    """moto lets every account read every bucket, or none but the owner's; AWS asks the bucket's policy."""
    place = s3_backends.bucket_accounts.get(bucket_name)
    bucket = original(self, bucket_name)
    if place is not None and place[1] != self.account_id and not policy_admits(bucket, self.account_id):
        raise AwsError("AccessDenied", "Access Denied")
    return bucket


def policy_admits(bucket, account):
    if not bucket.policy:
        return False
    return any(
        statement.get("Effect") == "Allow" and names_account(statement, account)
        for statement in statements(json.loads(bucket.policy))
    )


def check_expected_owners(response):
    expectations = [(response.bucket_name, response.headers.get("x-amz-expected-bucket-owner"))]
    if source := response.headers.get("x-amz-copy-source"):
        source_bucket = source.lstrip("/").split("/", 1)[0]
        expectations.append((source_bucket, response.headers.get("x-amz-source-expected-bucket-owner")))
    for bucket_name, expected in expectations:
        place = s3_backends.bucket_accounts.get(bucket_name)
        if expected and place is not None and place[1] != expected:
            raise AwsError("AccessDenied", "Access Denied")


def bucket_response(original, self, request, full_url):
    check_expected_owners(self)
    return original(self, request, full_url)


def get_permission(original, self, action, resource):
    """moto ignores Condition, so a conditional Deny (no TLS, wrong key) would deny everything: such are left out."""
    document = json.loads(self.policy) if self.policy else {}
    found = statements(document)
    if not any("Condition" in statement for statement in found):
        return original(self, action, resource)
    whole = self.policy
    unconditional = [statement for statement in found if "Condition" not in statement]
    self.policy = json.dumps({**document, "Statement": unconditional}).encode()
    try:
        return original(self, action, resource)
    finally:
        self.policy = whole


patch(S3Backend, get_bucket=get_bucket)
patch(FakeBucket, get_permission=get_permission)
patch(S3Response, _key_response=bucket_response, _bucket_response=bucket_response)
