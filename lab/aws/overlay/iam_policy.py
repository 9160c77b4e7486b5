"""Whether policies allow a request: IAM's documented evaluation, as pure functions over policy documents.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
Not evaluated: service and resource control policies (the lab has no Organizations policies).

What the lab does not model about a request is neither present nor absent: it is unknown. An unknown never makes a
refusal, so that an AccessDenied here is one on AWS; it may let a call pass that AWS would refuse.
"""

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Callable, Iterable, Mapping, Optional

from .iam_conditions import Conditions
from .iam_patterns import any_of, arn_matches, has_variables, wildcard

ALLOW, DENY = "Allow", "Deny"


@dataclass(frozen=True)
class Request:
    """One action on one resource, with the condition keys of the request."""

    action: str  # as policies name it: "ec2:CopySnapshot"
    resource: Optional[str] = None  # ARN, or "*" for an action without resource types; None: the lab does not know
    context: Mapping[str, tuple] = field(default_factory=dict)  # lower-case condition key -> values
    modelled: Callable[[str], bool] = lambda _key: True  # False: whether AWS sets this key is unknown


@dataclass(frozen=True)
class Principal:
    account: str
    arn: str  # of the user, of the role session, or of the account's root
    role_arn: Optional[str] = None  # of a role session: the role itself


@dataclass(frozen=True)
class Verdict:
    allowed: bool
    reason: str = ""  # as AWS's error messages end


class Statement:
    def __init__(self, document, with_variables):
        self.effect = document.get("Effect")
        actions = document.get("Action", document.get("NotAction"))
        self._excluded_actions = "NotAction" in document
        self._actions = any_of([wildcard(action.lower()) for action in listed(actions)])
        # The statements of a trust policy have no resource: the role is meant.
        resources = document.get("Resource", document.get("NotResource", "*"))
        self._excluded_resources = "NotResource" in document
        self._resources = listed(resources)
        self._with_variables = with_variables and has_variables(self._resources)
        self._any_resource = "*" in self._resources
        self._conditions = Conditions(document.get("Condition", {}), with_variables)
        self.principals = document.get("Principal")
        self.excluded_principals = document.get("NotPrincipal")

    def applies_to(self, request):
        if bool(self._actions.match(request.action.lower())) == self._excluded_actions:
            return False
        found = self._resource_matches(request)
        if found is True:
            found = self._conditions.hold(request)
        elif found is None and self._conditions.hold(request) is False:
            found = False
        # Unknown: an Allow is taken to apply, a Deny not to.
        return found if found is not None else self.effect == ALLOW

    def _resource_matches(self, request):
        if request.resource is None:
            return None if self._excluded_resources or not self._any_resource else True
        matches = self._any_resource or any(
            arn_matches(pattern, request.resource, request.context if self._with_variables else None)
            for pattern in self._resources
        )
        return matches != self._excluded_resources


def listed(value):
    if value is None:
        return []
    return [value] if isinstance(value, (str, dict)) else list(value)


@lru_cache(maxsize=1024)
def parse(text):
    """The statements of a policy document. Raises ValueError when it is no JSON object with statements."""
    document = json.loads(text)
    if not isinstance(document, dict) or not listed(document.get("Statement")):
        raise ValueError("a policy document is a JSON object with a Statement")
    # Policy variables came with version 2012-10-17; in older documents ${…} is plain text.
    with_variables = document.get("Version") == "2012-10-17"
    return tuple(Statement(statement, with_variables) for statement in listed(document["Statement"]))


def effect_of(policies: Iterable[str], request) -> Optional[str]:
    """DENY if any statement denies, else ALLOW if any allows, else None (an implicit deny)."""
    effect = None
    for text in policies:
        for statement in parse(text):
            if (effect is None or statement.effect == DENY) and statement.applies_to(request):
                if statement.effect == DENY:
                    return DENY
                effect = ALLOW
    return effect


# How a resource-based policy names whoever calls; a bigger number grants more.
ACCOUNT, ANYONE, ROLE, DIRECTLY = 1, 2, 3, 4


def naming(statement, principal):
    """How a statement of a resource-based policy names the principal; 0 if it does not."""
    if statement.excluded_principals is not None:
        named = max(how_named(name, principal) for name in aws_principals(statement.excluded_principals) or [""])
        return 0 if named else ANYONE
    return max((how_named(name, principal) for name in aws_principals(statement.principals)), default=0)


def aws_principals(element):
    if isinstance(element, dict):
        return listed(element.get("AWS"))
    return listed(element)


def how_named(name, principal):
    if name == "*":
        return ANYONE
    if name == principal.arn:
        return DIRECTLY
    if principal.role_arn is not None and name == principal.role_arn:
        return ROLE
    if name == principal.account or name.endswith(f":iam::{principal.account}:root"):
        return ACCOUNT
    return 0


def resource_grant(policy: Optional[str], request, principal):
    """(explicitly denied, strongest grant) of a resource-based policy."""
    denied, grant = False, 0
    for statement in parse(policy) if policy else ():
        named = naming(statement, principal)
        if named and statement.applies_to(request):
            if statement.effect == DENY:
                denied = True
            else:
                grant = max(grant, named)
    return denied, grant


def evaluate(
    request: Request,
    principal: Principal,
    identity: Iterable[str],
    *,
    boundary: Optional[Iterable[str]] = None,
    session: Optional[Iterable[str]] = None,
    resource_policy: Optional[str] = None,
    resource_account: Optional[str] = None,
    granted: bool = False,
    resource_must_allow: bool = False,
) -> Verdict:
    """One request against every policy that counts for it.

    `boundary` and `session` are None where there is none. `resource_account` owns the resource; None: the caller's own.
    `granted`: something beside policies allows it on the resource's side, as a KMS grant does.
    `resource_must_allow`: key policies and role trust policies, without which identity-based policies have no effect.
    """
    identity_effect = effect_of(identity, request)
    limits = [(kind, effect_of(policies, request)) for kind, policies in limiting(boundary, session)]
    denied_by_resource, grant = resource_grant(resource_policy, request, principal)
    for kind, effect in [("an identity-based policy", identity_effect), *limits]:
        if effect == DENY:
            return Verdict(False, f"with an explicit deny in {kind}")
    if denied_by_resource:
        return Verdict(False, "with an explicit deny in a resource-based policy")

    own = resource_account in (None, principal.account)
    if granted:
        grant = max(grant, DIRECTLY if own else ACCOUNT)
    if not grant and (resource_must_allow or not own):
        return not_allowed("resource-based policy", request)
    if own and grant == DIRECTLY:
        # Not limited by what other policies leave out (IAM User Guide, "Resource-based policy").
        return Verdict(True)
    if identity_effect != ALLOW and not (own and grant in (ROLE, ANYONE)):
        return not_allowed("identity-based policy", request)
    for kind, effect in limits:
        if effect != ALLOW:
            return not_allowed(kind.split(" ", 1)[1], request)
    return Verdict(True)


def limiting(boundary, session):
    if boundary is not None:
        yield "a permissions boundary", boundary
    if session is not None:
        yield "a session policy", session


def not_allowed(kind, request):
    return Verdict(False, f"because no {kind} allows the {request.action} action")
