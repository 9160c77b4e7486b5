"""KMS: keys of other accounts are found, digests signed as given, disabled keys refused, AWS's own keys kept apart."""

import contextvars
import json
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from moto.kms import responses
from moto.kms.models import KmsBackend, kms_backends
from moto.kms.responses import KmsResponse
from moto.kms.utils import ECDSAPrivateKey, RSAPrivateKey

from .support import AwsError, patch

ARN = re.compile(r"arn:[^:]+:kms:(?P<region>[^:]+):(?P<account>\d+):(?P<reference>(?:key|alias)/.+)")
EBS_ALIAS = "alias/aws/ebs"


def find_key(reference, account, region):
    """The key behind an id, ARN or alias, in any account; None when there is none."""
    if not isinstance(reference, str) or not reference:
        return None
    if named := ARN.match(reference):
        region, account, reference = named["region"], named["account"], named["reference"].removeprefix("key/")
    backend = kms_backends[account][region]
    if reference.startswith("alias/"):
        return backend.keys.get(backend.get_key_id_from_alias(reference))
    return backend.keys.get(reference)


def aws_managed(key):
    return key.key_manager == "AWS"


def ebs_default_key(account, region):
    """The account's aws/ebs key; made at first use."""
    return find_key(EBS_ALIAS, account, region)


def create_key(original, self, policy, key_usage, key_spec, *rest, **options):
    """KeyUsage may be left out of a request for a symmetric key (API Reference, CreateKey)."""
    if not key_usage:
        if key_spec not in (None, "", "SYMMETRIC_DEFAULT"):
            raise AwsError(
                "ValidationException", "You must specify a KeyUsage value for all KMS keys except for symmetric ones."
            )
        key_usage = "ENCRYPT_DECRYPT"
    return original(self, policy, key_usage, key_spec, *rest, **options)


def generate_default_key(original, self, alias_name):
    """KMS makes a key behind alias/aws/* at first use and manages it: no one can share, edit or delete it."""
    key_id = original(self, alias_name)
    if key_id is not None:
        self.keys[key_id].key_manager = "AWS"
        self.keys[key_id].description = f"Default key that protects my {alias_name.rsplit('/', 1)[1].upper()} resources"
    return key_id


def refuse_managed(original, self):
    key = find_key(self._get_param("KeyId"), self.current_account, self.region)
    if key is not None and aws_managed(key):
        raise AwsError("AccessDeniedException", f"{key.arn} is an AWS managed key: its policy and state are not yours.")
    return original(self)


# Set while a call signs or verifies what the caller has hashed already (MessageType=DIGEST); moto would hash it again,
# and no signature could be verified outside of the emulator.
_digest_given = contextvars.ContextVar("digest_given", default=False)


def guard_use(original, self):
    key = find_key(self._get_param("KeyId"), self.current_account, self.region)
    if key is not None and not key.enabled:
        pending = key.key_state == "PendingDeletion"
        raise AwsError("KMSInvalidStateException" if pending else "DisabledException", f"{key.arn} is disabled.")
    token = _digest_given.set(self._get_param("MessageType") == "DIGEST")
    try:
        return original(self)
    finally:
        _digest_given.reset(token)


def get_public_key(original, self):
    """The answer tells the key's spec by its present name too, and the key by its ARN (API Reference, GetPublicKey)."""
    answer = json.loads(original(self))
    key = find_key(self._get_param("KeyId"), self.current_account, self.region)
    return json.dumps({**answer, "KeySpec": answer["CustomerMasterKeySpec"], "KeyId": key.arn})


def scheme(algorithm):
    """Arguments for sign and verify of the cryptography library, for a KMS signing algorithm."""
    plain = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[algorithm[-3:]]
    applied = Prehashed(plain) if _digest_given.get() else plain
    if algorithm.startswith("ECDSA"):
        return (ec.ECDSA(applied),)
    if "PSS" in algorithm:
        return padding.PSS(padding.MGF1(plain), plain.digest_size), applied
    return padding.PKCS1v15(), applied


def sign(_original, self, message, signing_algorithm):
    try:
        return self.private_key.sign(message, *scheme(signing_algorithm))
    except ValueError:
        raise AwsError("ValidationException", "Digest is invalid length for algorithm " + signing_algorithm)


def verify(_original, self, message, signature, signing_algorithm):
    try:
        self.private_key.public_key().verify(signature, message, *scheme(signing_algorithm))
        return True
    except (InvalidSignature, ValueError):
        raise AwsError("KMSInvalidSignatureException", "The signature does not belong to this message and key.")


def assert_default_policy(policy_name):
    """A key has one policy, called default; a request need not name it."""
    if policy_name not in (None, "default"):
        raise AwsError("NotFoundException", "No such policy exists")


def by_id(original, self, key_id, *rest, **options):
    """moto takes an id only where KMS takes an ARN too."""
    return original(self, self.get_key_id(key_id), *rest, **options)


patch(KmsResponse, get_public_key=get_public_key)
patch(KmsBackend, create_key=create_key, _generate_default_keys=generate_default_key)
patch(
    KmsBackend,
    **{name: by_id for name in ("enable_key", "disable_key", "schedule_key_deletion", "cancel_key_deletion")},
)
patch(
    KmsResponse,
    **{
        action: guard_use
        for action in (
            "encrypt",
            "decrypt",
            "generate_data_key",
            "generate_data_key_without_plaintext",
            "sign",
            "verify",
        )
    },
)
patch(
    KmsResponse,
    **{action: refuse_managed for action in ("put_key_policy", "disable_key", "schedule_key_deletion", "create_grant")},
)
responses._assert_default_policy = assert_default_policy
for private_key in (RSAPrivateKey, ECDSAPrivateKey):
    patch(private_key, sign=sign, verify=verify)
