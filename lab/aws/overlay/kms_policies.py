"""Key policies that would lock their author out are refused, as are texts that are no policy.

"The key policy must allow the calling principal to make a subsequent PutKeyPolicy request on the KMS key", unless
BypassPolicyLockoutSafetyCheck is set (AWS KMS API Reference: CreateKey, PutKeyPolicy).
"""

from moto.kms.responses import KmsResponse

from .iam_keys import MODELLED
from .iam_permissions import Needed, Place
from .iam_policy import parse
from .kms import aws_managed, find_key
from .kms_access import admitted, caller_of
from .support import AwsError, patch


def create_key(original, self):
    """The default policy, of a request without one, locks nobody out."""
    if policy := self._get_param("Policy"):
        # Of the key that is to be made only account and Region are known: a policy cannot name it.
        arn = Place(self.current_account, self.region).arn("kms", "key/new")
        check_policy(self, policy, arn, self.current_account)
    return original(self)


def put_key_policy(original, self):
    key = find_key(self._get_param("KeyId"), self.current_account, self.region)
    if key is not None and not aws_managed(key):
        check_policy(self, self._get_param("Policy"), key.arn, key.account_id)
    return original(self)


def check_policy(response, policy, key_arn, owner):
    try:
        parse(policy)
    except (ValueError, TypeError, AttributeError):
        raise malformed("The policy is not syntactically correct.")
    if response._get_param("BypassPolicyLockoutSafetyCheck"):
        return
    account = response.current_account
    wanted = Needed(
        "kms:PutKeyPolicy",
        key_arn,
        {"kms:calleraccount": (account,)},
        MODELLED,
        owner=owner,
        resource_policy=policy,
        resource_must_allow=True,
    )
    if not admitted(wanted, account, response.region, caller_of(response, account)):
        raise malformed("The new key policy will not allow you to update the key policy in the future.")


def malformed(message):
    return AwsError("MalformedPolicyDocumentException", message)


patch(KmsResponse, create_key=create_key, put_key_policy=put_key_policy)
