"""Trust policies of new roles are checked; moto stores any text.

moto's own check, which it makes in UpdateAssumeRolePolicy, would not do: it refuses a policy without Version, which IAM
takes for 2008-10-17. Not checked: whether the principals that a policy names exist.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import json

from moto.iam.responses import IamResponse

from .iam_policy import listed, parse
from .support import AwsError, patch

VERSIONS = ("2008-10-17", "2012-10-17")


def create_role(original, self):
    check_trust_policy(self._get_param("AssumeRolePolicyDocument") or "")
    return original(self)


def check_trust_policy(text):
    for statement in statements_of(text):
        if "Resource" in statement or "NotResource" in statement:
            raise malformed("Has prohibited field Resource")
        if not statement.get("Principal") and not statement.get("NotPrincipal"):
            raise malformed("Missing required field Principal")
        actions = listed(statement.get("Action", statement.get("NotAction")))
        if not actions or not all(action == "*" or action.lower().startswith("sts:") for action in actions):
            raise malformed("AssumeRole policy may only specify STS AssumeRole actions.")


def statements_of(text):
    try:
        parse(text)
        document = json.loads(text)
        statements = listed(document["Statement"])
        sound = document.get("Version", VERSIONS[0]) in VERSIONS and all(
            statement.get("Effect") in ("Allow", "Deny") for statement in statements
        )
    except (ValueError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise malformed("Syntax errors in policy.")
    return statements


def malformed(message):
    return AwsError("MalformedPolicyDocument", message)


patch(IamResponse, create_role=create_role)
