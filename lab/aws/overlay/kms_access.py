"""Whether a caller may use a KMS key through EC2 for what EBS needs of it, and keys of other accounts while IAM is off.

The key's policy, its grants and, where IAM is enforced, the caller's own policies decide, operation by operation:
https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html#ebs-encryption-permissions
"""

from contextvars import ContextVar

from moto.ebs.responses import EBSResponse
from moto.ec2.responses import EC2Response
from moto.kms.models import kms_backends
from moto.kms.responses import KmsResponse

from .iam_callers import EVERYTHING, find_caller
from .iam_enforcement import enforced, place_of, request_of, verdict
from .iam_keys import key_permission
from .iam_permissions import Place
from .iam_policy import Principal, Request, evaluate
from .kms import ARN, aws_managed, find_key
from .support import AwsError, patch

# A new disk; the source of a copy or of a volume; what such a copy is written under; blocks by EBS direct.
# AWS lists them together ("kms:CreateGrant, Decrypt, DescribeKey, GenerateDataKeyWithoutPlainText, ReEncrypt*"); which
# of them a given call needs is not told, so each set leaves out what it can hardly need.
TO_CREATE = ("DescribeKey", "CreateGrant", "GenerateDataKeyWithoutPlaintext")
TO_READ = ("DescribeKey", "CreateGrant", "Decrypt", "ReEncryptFrom")
TO_WRITE = ("DescribeKey", "CreateGrant", "Decrypt", "GenerateDataKeyWithoutPlaintext", "ReEncryptTo")
TO_READ_BLOCKS = ("Decrypt",)
TO_WRITE_BLOCKS = ("GenerateDataKeyWithoutPlaintext",)

_calling = ContextVar("calling", default=None)  # the response object of the call under way


def remember_call(original, self):
    token = _calling.set(self)
    try:
        return original(self)
    finally:
        _calling.reset(token)


def usable(key):
    return key is not None and key.enabled and key.key_state == "Enabled"


def permitted(key, account, region, operations):
    """Whether the account (in the person of whoever calls now) may do all of these with the key, through EBS."""
    if not usable(key):
        return False
    if aws_managed(key):
        return key.account_id == account  # its policy admits everyone of the account who comes through EC2
    caller = caller_of(_calling.get(), account)
    return all(
        allowed(operation, key, account, region, caller, via="ec2", for_aws_resource=operation == "CreateGrant")
        for operation in operations
    )


def caller_of(response, account):
    if response is None or response.current_account != account:
        return None
    return find_caller(response.get_access_key(), account, response.partition)


def allowed(operation, key, account, region, caller, **through):
    own = caller is not None and caller.account == account
    place = place_of(caller, region) if own else Place(account, region, (f"arn:aws:iam::{account}:root",))
    return admitted(key_permission(operation, key, place, **through), account, region, caller)


def admitted(wanted, account, region, caller):
    if caller is None or caller.account != account:
        # A call of the lab itself, or one with made-up credentials while IAM is off, speaks for the whole account.
        request = Request(wanted.action, wanted.resource, wanted.context, wanted.modelled)
        return decided(request, Principal(account, f"arn:aws:iam::{account}:root"), wanted)
    if enforced():
        return verdict(caller, wanted, region).allowed
    return decided(request_of(caller, wanted, region), caller.principal, wanted)


def decided(request, principal, wanted):
    """By the key's side alone: while IAM is off, everyone's own policies allow everything."""
    return evaluate(
        request,
        principal,
        [EVERYTHING],
        resource_policy=wanted.resource_policy,
        resource_account=wanted.owner,
        granted=wanted.granted,
        resource_must_allow=True,
    ).allowed


def backend_of_call(self):
    """The backend of the account that owns the key of this call."""
    account = self.current_account
    reference = self._get_param("KeyId") or self._get_param("DestinationKeyId")
    named = ARN.match(reference) if isinstance(reference, str) else None
    if named is None or named["account"] == account:
        return kms_backends[account][self.region]
    key = find_key(reference, account, self.region)
    foreign = key is not None and not aws_managed(key)
    if not foreign or not allowed(self._get_action(), key, account, self.region, caller_of(self, account)):
        raise AwsError(
            "AccessDeniedException",
            f"The key {reference} does not exist, or not in this Region, or you are not allowed to access it.",
        )
    return kms_backends[named["account"]][named["region"]]


KmsResponse.kms_backend = property(backend_of_call)
patch(EC2Response, call_action=remember_call)
patch(EBSResponse, call_action=remember_call)
