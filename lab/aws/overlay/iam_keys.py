"""KMS keys: who may use one, by key policy, grants and identity-based policies, directly or through another service.

https://docs.aws.amazon.com/kms/latest/developerguide/determining-access.html
"""

import json

from .iam_permissions import Needed, modelling
from .kms import aws_managed, find_key

MODELLED = modelling("kms:viaservice", "kms:calleraccount", "kms:grantisforawsresource", "kms:keyorigin")
# Actions on no key, or on one that does not exist yet.
WITHOUT_KEY = {"CreateKey", "ListKeys", "ListAliases", "GenerateRandom"}


def managed_key_policy(account):
    """Key policy of a key that AWS manages: its account's principals use it through its service, and may look at it."""
    everyone = {"AWS": "*"}
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": everyone,
                    "Action": [
                        "kms:Encrypt",
                        "kms:Decrypt",
                        "kms:ReEncrypt*",
                        "kms:GenerateDataKey*",
                        "kms:CreateGrant",
                        "kms:DescribeKey",
                    ],
                    "Resource": "*",
                    "Condition": {
                        "StringEquals": {"kms:CallerAccount": account},
                        "StringLike": {"kms:ViaService": "*.amazonaws.com"},
                    },
                },
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
                    "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
                    "Resource": "*",
                },
            ],
        }
    )


def key_permission(operation, key, place, via=None, for_aws_resource=False):
    """The permission for one operation on a key. `via`: the service that asks on the caller's behalf, e.g. "ec2"."""
    context = {"kms:calleraccount": (place.account,)}
    if via is not None:
        context["kms:viaservice"] = (f"{via}.{key.region}.amazonaws.com",)
    if for_aws_resource:
        context["kms:grantisforawsresource"] = ("true",)
    return Needed(
        f"kms:{operation}",
        key.arn,
        context,
        MODELLED,
        owner=key.account_id,
        resource_policy=managed_key_policy(key.account_id) if aws_managed(key) else key.policy,
        resource_must_allow=True,
        granted=has_grant(key, operation, place),
    )


def has_grant(key, operation, place):
    """A grant names a principal or a whole account, and the operations that it allows."""
    grantees = {f"arn:aws:iam::{place.account}:root", *place.principals}
    return any(
        operation in grant.operations and grant.grantee_principal in grantees for grant in list(key.grants.values())
    )


def kms(action, parameters, place):
    if action in WITHOUT_KEY:
        return [Needed(f"kms:{action}", "*")]
    if action == "ReEncrypt":
        # The key to decrypt with is named in the ciphertext.
        return [Needed("kms:ReEncryptFrom"), *kms("ReEncryptTo", {"KeyId": parameters.get("DestinationKeyId")}, place)]
    reference = parameters.get("KeyId") or parameters.get("TargetKeyId")
    key = find_key(reference, place.account, place.region) if reference else None
    if key is None:
        # KMS tells of a key that is not there only whom it concerns; a ciphertext names its key by itself.
        own = isinstance(reference, str) and not reference.startswith(("arn:", "alias/"))
        return [Needed(f"kms:{action}", place.arn("kms", f"key/{reference}") if own else None)]
    return [key_permission(action, key, place)]
