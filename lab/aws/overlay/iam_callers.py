"""Who signs a request: users, sessions of assumed roles, and the root of the lab's management account."""

import json
import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Optional

from moto.core.utils import utcnow
from moto.iam.models import iam_backends

from .iam_policy import Principal

# The account that AWS Organizations is managed from. Its root user can enter each account by the role that
# Organizations makes there; the lab's set-up and its tests do.
MANAGEMENT_ACCOUNT = "123456789012"
MANAGEMENT_KEYS = {"AKIALABSETUP": "lab", "AKIALABRUNCOMMAND": "lab", "AKIAEXAMPLE": "none"}
ADMINISTRATOR_ROLE = "OrganizationAccountAccessRole"
EVERYTHING = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})


@dataclass(frozen=True)
class Session:
    """What STS gave out with a role's temporary credentials."""

    access_key_id: str
    secret: str
    token: str
    account: str
    partition: str
    role_arn: str
    arn: str
    user_id: str
    issued_at: float
    expires_at: float
    # Session policies: inline and managed, None where none was passed.
    policies: Optional[tuple] = None

    @property
    def expired(self):
        return time.time() >= self.expires_at


@dataclass(frozen=True)
class Caller:
    account: str
    arn: str
    user_id: str
    secret: str
    role: object = None  # moto's role of a session; None for a user, for root, and for a role that is gone
    role_arn: Optional[str] = None
    user: object = None
    session: Optional[Session] = None
    is_root: bool = False
    context: dict = field(default_factory=dict)

    @property
    def principal(self):
        return Principal(self.account, self.arn, self.role_arn)

    @cached_property
    def identity_policies(self):
        if self.is_root or (self.role_arn or "").endswith(f":role/{ADMINISTRATOR_ROLE}"):
            return [EVERYTHING]
        owner = self.user or self.role
        if owner is None:
            return []
        policies = [text_of(policy) for policy in list(owner.policies.values())]
        policies += [default_version(managed) for managed in list(owner.managed_policies.values())]
        if self.user is not None:
            for group in groups_of(self.user):
                policies += [text_of(policy) for policy in list(group.policies.values())]
                policies += [default_version(managed) for managed in list(group.managed_policies.values())]
        return policies

    @property
    def boundary(self):
        """The permissions boundary of a role; moto keeps none of users."""
        arn = getattr(self.role, "permissions_boundary_arn", None)
        if not arn:
            return None
        managed = managed_policy(self.account, self.role.partition, arn)
        return [managed] if managed else []

    @property
    def session_policies(self):
        return self.session.policies if self.session else None


def text_of(policy):
    return policy if isinstance(policy, str) else json.dumps(policy)


def groups_of(user):
    groups = iam_backends[user.account_id]["aws"].groups
    return [group for group in list(groups.values()) if user in group.users]


def managed_policy(account, partition, arn):
    """The default version of a managed policy; None when there is none of that ARN."""
    found = iam_backends[account][partition].managed_policies.get(arn)
    return default_version(found) if found is not None else None


def default_version(policy):
    return next(version.document for version in policy.versions if version.version_id == policy.default_version_id)


_sessions = {}


def remember(session):
    # What has long expired is forgotten; a day is longer than any session lasts.
    for key, old in list(_sessions.items()):
        if old.expires_at < time.time() - 86_400:
            _sessions.pop(key, None)
    _sessions[session.access_key_id] = session


def expire_session(access_key_id):
    """Ends a session as its age would; False when there is none of that key."""
    session = _sessions.get(access_key_id)
    if session is not None:
        _sessions[access_key_id] = replace(session, expires_at=time.time())
    return session is not None


def find_caller(access_key_id, account, partition):
    """The owner of an access key, of an expired session too; None for a key that the lab never gave out."""
    if access_key_id in MANAGEMENT_KEYS:
        secret = MANAGEMENT_KEYS[access_key_id]
        return Caller(
            MANAGEMENT_ACCOUNT, f"arn:aws:iam::{MANAGEMENT_ACCOUNT}:root", MANAGEMENT_ACCOUNT, secret, is_root=True
        )
    session = _sessions.get(access_key_id)
    if session is not None:
        role = role_of(session.role_arn)
        return Caller(
            session.account,
            session.arn,
            session.user_id,
            session.secret,
            role=role,
            role_arn=session.role_arn,
            session=session,
            context=session_context(session, role),
        )
    for user in list(iam_backends[account][partition].users.values()):
        for key in user.access_keys:
            if key.access_key_id == access_key_id and key.status == "Active":
                return Caller(
                    account, user.arn, user.id, key.secret_access_key, user=user, context={"aws:username": (user.name,)}
                )
    return None


def session_context(session, role):
    issued = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(session.issued_at))
    context = {"aws:tokenissuetime": (issued,), "aws:multifactorauthpresent": ("false",)}
    for tag in getattr(role, "tags", None) or []:
        tag = tag if isinstance(tag, dict) else role.tags[tag]
        context[f"aws:principaltag/{tag['Key'].lower()}"] = (tag["Value"],)
    return context


def role_of(arn):
    _, partition, _, _, account, path = arn.split(":", 5)
    roles = iam_backends[account][partition].roles.values()
    return next((role for role in list(roles) if role.arn == arn), None)


def caller_context(caller):
    """The condition keys that follow from who calls and when. Absent ones are absent on AWS too."""
    now = utcnow()
    kind = "Account" if caller.is_root else "AssumedRole" if caller.session else "User"
    return {
        **caller.context,
        "aws:principalarn": (caller.role_arn or caller.arn,),
        "aws:principalaccount": (caller.account,),
        "aws:principaltype": (kind,),
        "aws:userid": (caller.user_id,),
        "aws:currenttime": (now.strftime("%Y-%m-%dT%H:%M:%SZ"),),
        "aws:epochtime": (str(int(time.time())),),
        # The lab speaks plain HTTP on loopback; the same client speaks TLS to AWS.
        "aws:securetransport": ("true",),
        "aws:viaawsservice": ("false",),
    }
