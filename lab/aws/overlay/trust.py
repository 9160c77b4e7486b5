"""AssumeRole: the role's trust policy, session names, durations, session policies.

moto lets anyone assume any role, even an absent one, for as long as they like.
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

import json
import re
import time

from moto.iam.models import iam_backends
from moto.sts.responses import TokenResponse

from .iam_callers import (
    ADMINISTRATOR_ROLE,
    EVERYTHING,
    MANAGEMENT_ACCOUNT,
    Caller,
    Session,
    find_caller,
    managed_policy,
    remember,
)
from .iam_enforcement import current_caller, enforced, verdict
from .iam_permissions import Needed, modelling
from .iam_policy import parse
from .support import TRUST, AwsError, patch

ROLE_ARN = re.compile(r"arn:(?P<partition>[^:]+):iam::(?P<account>\d{12}):role/(?:.*/)?(?P<name>[^/]+)$")
SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}\Z", re.ASCII)
SHORTEST_SECONDS, CHAINED_SECONDS = 900, 3600
LONGEST_POLICY = 2048
MODELLED = modelling("sts:externalid", "sts:rolesessionname", "sts:sourceidentity", "sts:transitivetagkeys")


def assume_role(original, self):
    arn = self._get_param("RoleArn") or ""
    wanted = ROLE_ARN.match(arn)
    if wanted is None:
        raise AwsError("ValidationError", f"{arn} is invalid")
    name = self._get_param("RoleSessionName") or ""
    check_session_name(name)
    seconds = self._get_int_param("DurationSeconds", CHAINED_SECONDS)
    if seconds < SHORTEST_SECONDS:
        rule = f"Member must have value greater than or equal to {SHORTEST_SECONDS}"
        raise constraint(seconds, "durationSeconds", rule)
    policies = session_policies(self, wanted["account"])
    caller = caller_of(self)
    role = role_named(wanted)
    if TRUST and not trusted(self, caller, role, wanted, name):
        raise AwsError(
            "AccessDenied", f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
        )
    check_duration(seconds, caller, role)
    answer = original(self)
    assumed = answer.result["Credentials"]
    now = time.time()
    remember(
        Session(
            access_key_id=assumed.access_key_id,
            secret=assumed.secret_access_key,
            token=assumed.session_token,
            account=wanted["account"],
            partition=wanted["partition"],
            role_arn=arn,
            arn=assumed.arn,
            user_id=assumed.user_id,
            issued_at=now,
            expires_at=now + seconds,
            policies=policies,
        )
    )
    return answer


def constraint(value, member, rule):
    return AwsError(
        "ValidationError",
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {rule}",
    )


def check_session_name(name):
    if len(name) < 2:
        raise constraint(name, "roleSessionName", "Member must have length greater than or equal to 2")
    if len(name) > 64:
        raise constraint(name, "roleSessionName", "Member must have length less than or equal to 64")
    if not SESSION_NAME.match(name):
        raise constraint(name, "roleSessionName", r"Member must satisfy regular expression pattern: [\w+=,.@-]*")


def check_duration(seconds, caller, role):
    """IAM User Guide, "Role chaining": one hour, whatever the role's own maximum is."""
    if caller.session is not None and seconds > CHAINED_SECONDS:
        raise AwsError(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        )
    longest = int(getattr(role, "max_session_duration", None) or CHAINED_SECONDS)
    if seconds > longest:
        raise AwsError(
            "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )


def session_policies(response, account):
    """Inline and managed session policies of the call; None where it passes none."""
    inline = response._get_param("Policy")
    arns = [one.get("arn") or one.get("Arn") for one in response._get_param("PolicyArns", [])]
    if inline is None and not arns:
        return None
    found = []
    if inline is not None:
        if len(inline) > LONGEST_POLICY:
            raise constraint(inline, "policy", f"Member must have length less than or equal to {LONGEST_POLICY}")
        try:
            parse(inline)
        except ValueError:
            raise AwsError("MalformedPolicyDocument", "Syntax errors in policy.")
        found.append(inline)
    for arn in arns:
        document = managed_policy(account, response.partition, arn)
        if document is None:
            raise AwsError("ValidationError", f"Policy {arn} does not exist.")
        found.append(document)
    return tuple(found)


def caller_of(response):
    """Who signed. While nothing is enforced, a key that the lab never gave out stands for its account as a whole."""
    if enforced():
        return current_caller()
    account = response.current_account
    known = find_caller(response.get_access_key(), account, response.partition)
    return known or Caller(account, f"arn:aws:iam::{account}:root", account, "", is_root=True)


def role_named(wanted):
    roles = iam_backends[wanted["account"]][wanted["partition"]].roles.values()
    return next((role for role in list(roles) if role.name == wanted["name"]), None)


def trusted(response, caller, role, wanted, session_name):
    if wanted["name"] == ADMINISTRATOR_ROLE:
        # Organizations makes this role in every account that it creates, trusting the management account.
        return not enforced() or caller.account == MANAGEMENT_ACCOUNT
    if role is None:
        return False
    context = {"sts:rolesessionname": (session_name,)}
    if external_id := response._get_param("ExternalId"):
        context["sts:externalid"] = (external_id,)
    document = role.assume_role_policy_document
    needed = Needed(
        "sts:AssumeRole",
        role.arn,
        context,
        MODELLED,
        owner=role.account_id,
        resource_policy=document if isinstance(document, str) else json.dumps(document),
        resource_must_allow=True,
    )
    return verdict(caller if enforced() else AnyIdentity(caller), needed, response.region).allowed


class AnyIdentity:
    """A caller of whom only the trust policy is asked."""

    identity_policies = (EVERYTHING,)
    boundary = None
    session_policies = None

    def __init__(self, caller):
        self._caller = caller

    def __getattr__(self, name):
        return getattr(self._caller, name)


patch(TokenResponse, assume_role=assume_role)
