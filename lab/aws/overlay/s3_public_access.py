"""BlockPublicPolicy: a bucket that has it takes no bucket policy that allows public access.

A policy is public unless each grant to everyone is limited to fixed values of some condition keys:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html, "The meaning of public".
What is written in a way that the lab is not sure about counts as limited, so that a refusal here is one on AWS.
"""

import json
import re

from moto.s3.models import S3Backend

from .iam_policy import aws_principals, listed, parse
from .support import AwsError, patch

# Condition keys that limit a grant, where all their values are fixed: without a wildcard or a policy variable.
LIMITING = {
    "aws:principalaccount",
    "aws:principalorgid",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceorgid",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointaccount",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
}
OPERATORS = {"StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike", "IpAddress"}
# Keys of which a value may hold a wildcard beside what is fixed.
LIMITING_BY_PATTERN = {"aws:principalarn", "aws:principalorgpaths", "s3:dataaccesspointarn"}
ANYONE = {"*", "0.0.0.0/0", "::/0"}


def allows_public_access(policy):
    return any(
        statement.get("Effect") == "Allow"
        and "*" in aws_principals(statement.get("Principal"))
        and not limited(statement.get("Condition") or {})
        for statement in listed(json.loads(policy)["Statement"])
    )


def limited(conditions):
    return any(
        operator.rpartition(":")[2] in OPERATORS and limits(key.lower(), listed(values))
        for operator, keys in conditions.items()
        for key, values in keys.items()
    )


def limits(key, values):
    if ANYONE.intersection(values):
        return False
    fixed = not any(re.search(r"[*?]|\$\{", value) for value in values)
    return key in LIMITING_BY_PATTERN or (key in LIMITING and fixed)


def put_bucket_policy(original, self, bucket_name, policy):
    block = self.get_bucket(bucket_name).public_access_block
    if block is not None and block.block_public_policy and allows_public_access(checked(policy)):
        raise AwsError(
            "AccessDenied",
            "User is not authorized to perform: s3:PutBucketPolicy because public policies are blocked by the "
            "BlockPublicPolicy block public access setting.",
        )
    return original(self, bucket_name, policy)


def checked(policy):
    text = policy.decode() if isinstance(policy, bytes) else policy
    try:
        parse(text)
    except (ValueError, TypeError, AttributeError):
        raise AwsError("MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'")
    return text


patch(S3Backend, put_bucket_policy=put_bucket_policy)
