"""A permission that a call needs: action, resource and condition keys.

Source: Service Authorization Reference, one page a service
(https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html).
"""

from dataclasses import dataclass, field
from typing import Callable, Optional

ARN_PARTITION = "aws"


@dataclass(frozen=True)
class Place:
    """Whose call it is, and where."""

    account: str
    region: str
    principals: tuple = ()  # ARNs of the caller: the user, or the session and its role

    def arn(self, service, resource, account=None, region=None):
        owner = self.account if account is None else account
        where = self.region if region is None else region
        return f"arn:{ARN_PARTITION}:{service}:{where}:{owner}:{resource}"


def nothing_modelled(_key):
    return False


@dataclass(frozen=True)
class Needed:
    """One permission. `resource` None: the lab has no mapping, so that policies are judged by their actions alone."""

    action: str
    resource: Optional[str] = None
    context: dict = field(default_factory=dict)
    # Which condition keys of the service the context is complete for; absent ones are absent on AWS too.
    modelled: Callable[[str], bool] = nothing_modelled
    owner: Optional[str] = None  # account of the resource; None: the caller's
    resource_policy: Optional[str] = None
    resource_must_allow: bool = False
    granted: bool = False


def modelling(*keys):
    """Keys by name, those that end in `/` by prefix."""
    exact = frozenset(key for key in keys if not key.endswith("/"))
    prefixes = tuple(key for key in keys if key.endswith("/"))
    return lambda key: key in exact or key.startswith(prefixes) if prefixes else key in exact


def tag_context(tags, prefix):
    return {f"{prefix}/{key.lower()}": (value,) for key, value in tags.items()}


def request_tags(tags):
    """Condition keys of the tags that a call brings along."""
    if not tags:
        return {}
    return {**tag_context(tags, "aws:requesttag"), "aws:tagkeys": tuple(tags)}


TAG_KEYS = ("aws:requesttag/", "aws:tagkeys", "aws:resourcetag/")
