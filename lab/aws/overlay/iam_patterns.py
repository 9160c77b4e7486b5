"""The patterns of policies: wildcards, ARNs compared part by part, policy variables."""

import re
from functools import lru_cache

VARIABLE = re.compile(r"\$\{([^},]+?)(?:\s*,\s*'([^']*)')?\}")
# Written as variables, meant as characters (IAM User Guide, "Policy variables").
LITERALS = {"*": "*", "?": "?", "$": "$"}
NOTHING = re.compile(r"(?!)")
# Where a substituted variable holds a wildcard character, it is that character.
ESCAPED = {"*": "\ue000", "?": "\ue001"}


def translate(pattern, many):
    characters = {"*": many, "?": ".", ESCAPED["*"]: r"\*", ESCAPED["?"]: r"\?"}
    return "".join(characters.get(character) or re.escape(character) for character in pattern)


def wildcard(pattern):
    return translate(pattern, ".*")


def any_of(expressions):
    return re.compile("(?s:" + "|".join(expressions) + r")\Z") if expressions else NOTHING


@lru_cache(maxsize=4096)
def text_expression(pattern):
    return re.compile(f"(?s:{wildcard(pattern)})\\Z")


@lru_cache(maxsize=4096)
def arn_expression(pattern):
    """Each of an ARN's six parts is compared with its own; parts that a pattern lacks are wildcards."""
    if pattern == "*":
        return text_expression(pattern)
    parts = pattern.split(":", 5)
    parts += ["*"] * (6 - len(parts))
    expression = ":".join([translate(part, "[^:]*") for part in parts[:5]] + [wildcard(parts[5])])
    return re.compile(f"(?s:{expression})\\Z")


def has_variables(patterns):
    return any("${" in pattern for pattern in patterns)


def substituted(pattern, context):
    """The pattern with its variables filled in; None when one has no single value: then nothing matches."""
    missing = False

    def value(found):
        nonlocal missing
        name, default = found.group(1).strip(), found.group(2)
        if name in LITERALS:
            return ESCAPED.get(name, name)
        values = context.get(name.lower(), ())
        if len(values) == 1 or (not values and default is not None):
            text = values[0] if values else default
            return "".join(ESCAPED.get(character, character) for character in text)
        missing = True
        return ""

    filled = VARIABLE.sub(value, pattern)
    return None if missing else filled


def arn_matches(pattern, value, context=None):
    if context is not None and "${" in pattern:
        pattern = substituted(pattern, context)
    return pattern is not None and arn_expression(pattern).match(value) is not None


def text_matches(pattern, value, context=None):
    if context is not None and "${" in pattern:
        pattern = substituted(pattern, context)
    return pattern is not None and text_expression(pattern).match(value) is not None


def plain(pattern, context=None):
    """A value to compare for equality, with its variables filled in; None when one has no value."""
    if context is None or "${" not in pattern:
        return pattern
    filled = substituted(pattern, context)
    if filled is None:
        return None
    return filled.replace(ESCAPED["*"], "*").replace(ESCAPED["?"], "?")
