"""AssumeRole asks the role's trust policy, as AWS does; moto lets anyone assume any role, even an absent one."""

import json
import re
from fnmatch import fnmatchcase

from moto.iam.models import iam_backends
from moto.sts.models import sts_backends
from moto.sts.responses import TokenResponse

from .support import TRUST, AwsError, patch, principals, statements

ROLE_ARN = re.compile(r"arn:(?P<partition>[^:]+):iam::(?P<account>\d{12}):role/(?:.*/)?(?P<name>[^/]+)$")
# Organizations creates this role in every account it makes, trusting the management account.
ALWAYS_TRUSTED = "OrganizationAccountAccessRole"


def assume_role(original, self):
    arn = self._get_param("RoleArn") or ""
    wanted = ROLE_ARN.match(arn)
    if wanted is None:
        raise AwsError("ValidationError", f"{arn} is invalid")
    if TRUST and wanted["name"] != ALWAYS_TRUSTED and not trusted(self, wanted):
        raise AwsError(
            "AccessDenied",
            f"User: {caller_arn(self)} is not authorized to perform: sts:AssumeRole on resource: {arn}",
        )
    return original(self)


def trusted(response, wanted):
    roles = iam_backends[wanted["account"]][wanted["partition"]].roles.values()
    role = next((role for role in roles if role.name == wanted["name"]), None)
    if role is None:
        return False
    matching = [
        statement
        for statement in statements(json.loads(role.assume_role_policy_document))
        if principal_matches(statement, response) and conditions_hold(statement, response)
    ]
    effects = {statement["Effect"] for statement in matching}
    return "Allow" in effects and "Deny" not in effects


def principal_matches(statement, response):
    account, caller = response.current_account, caller_role_or_user(response)
    for principal in principals(statement):
        if principal in ("*", account) or principal.endswith(f":{account}:root"):
            return True
        # A caller whose key the lab does not know has no ARN: then the account decides.
        if principal == caller or (caller is None and f":{account}:" in principal):
            return True
    return False


def conditions_hold(statement, response):
    """StringEquals, StringLike, ArnEquals and ArnLike. A key that the lab does not know counts as absent: it fails."""
    known = {
        "sts:ExternalId": response._get_param("ExternalId"),
        "aws:PrincipalArn": caller_role_or_user(response),
        "aws:PrincipalAccount": response.current_account,
    }
    for operator, tests in statement.get("Condition", {}).items():
        for key, wanted in tests.items():
            patterns = [wanted] if isinstance(wanted, str) else wanted
            value = known.get(key)
            if value is None or operator not in ("StringEquals", "StringLike", "ArnEquals", "ArnLike"):
                return False
            if operator == "StringEquals" and value not in patterns:
                return False
            if not any(fnmatchcase(value, pattern) for pattern in patterns):
                return False
    return True


def assumed_role_of(response):
    backend = sts_backends[response.current_account][response.partition]
    key = response.get_access_key()
    return next((assumed for assumed in backend.assumed_roles if assumed.access_key_id == key), None)


def caller_role_or_user(response):
    """The ARN that a trust policy would name: the role (not the session) or the user; None for an unknown key."""
    assumed = assumed_role_of(response)
    if assumed is not None:
        return assumed.role_arn
    key = response.get_access_key()
    for user in iam_backends[response.current_account][response.partition].users.values():
        if any(access_key.access_key_id == key for access_key in user.access_keys):
            return user.arn
    return None


def caller_arn(response):
    assumed = assumed_role_of(response)
    if assumed is not None:
        return assumed.arn
    return caller_role_or_user(response) or f"arn:aws:iam::{response.current_account}:root"


patch(TokenResponse, assume_role=assume_role)
