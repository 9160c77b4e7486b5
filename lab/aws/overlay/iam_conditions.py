"""The Condition element: operators, sets of values, absent keys.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

import ipaddress
import operator
from datetime import datetime, timezone

from .iam_patterns import arn_matches, plain, text_matches


def same_text(pattern, value, context):
    return plain(pattern, context) == value


def same_letters(pattern, value, context):
    return (plain(pattern, context) or "").lower() == value.lower()


def same_bool(pattern, value, _context):
    return pattern.lower() == value.lower()


def in_network(pattern, value, _context):
    return ipaddress.ip_address(value) in ipaddress.ip_network(pattern, strict=False)


def compared(read, compare):
    return lambda pattern, value, _context: compare(read(value), read(pattern))


def moment(text):
    """ISO 8601 or seconds since 1970, both of which IAM takes."""
    try:
        return float(text)
    except ValueError:
        when = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()


ORDERS = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}
MATCHES = {
    "StringEquals": same_text,
    "StringEqualsIgnoreCase": same_letters,
    "StringLike": text_matches,
    "ArnEquals": arn_matches,
    "ArnLike": arn_matches,
    "Bool": same_bool,
    "BinaryEquals": same_text,
    "IpAddress": in_network,
    **{f"Numeric{name}": compared(float, compare) for name, compare in ORDERS.items()},
    **{f"Date{name}": compared(moment, compare) for name, compare in ORDERS.items()},
}
NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NotIpAddress": "IpAddress",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
}


class Test:
    """One operator on one key. Several values of a policy are alternatives; of a negated operator, all are excluded."""

    def __init__(self, name, key, values, with_variables):
        self.of_set, _, name = name.rpartition(":")
        self._if_exists = name.endswith("IfExists")
        name = name.removesuffix("IfExists")
        self._for_null = name == "Null"
        self._negated = name in NEGATED
        self._match = MATCHES.get(NEGATED.get(name, name))
        self._key = key.lower()
        self._patterns = [str(value).lower() if isinstance(value, bool) else str(value) for value in values]
        self._with_variables = with_variables

    def holds(self, request):
        """True, False, or None where the lab does not know."""
        values = request.context.get(self._key)
        if values is None and not request.modelled(self._key):
            return None
        if self._for_null:
            return ("true" if values is None else "false") in [pattern.lower() for pattern in self._patterns]
        if self._match is None:
            return None
        if values is None:
            return self._if_exists or self.of_set == "ForAllValues" or (self._negated and not self.of_set)
        outcomes = [self._fits(value, request) for value in values]
        if self.of_set == "ForAllValues" or (self._negated and not self.of_set):
            return all(outcomes)
        return any(outcomes)

    def _fits(self, value, request):
        context = request.context if self._with_variables else None
        try:
            found = any(self._match(pattern, value, context) for pattern in self._patterns)
        except ValueError:
            found = False  # no number, date or address: it matches nothing
        return found != self._negated


class Conditions:
    """All tests of a statement must hold."""

    def __init__(self, element, with_variables):
        self._tests = [
            Test(name, key, values if isinstance(values, list) else [values], with_variables)
            for name, keys in element.items()
            for key, values in keys.items()
        ]

    def hold(self, request):
        unknown = False
        for test in self._tests:
            outcome = test.holds(request)
            if outcome is False:
                return False
            unknown = unknown or outcome is None
        return None if unknown else True
