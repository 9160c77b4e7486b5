"""The parameters of a call as a plain dictionary, whatever the protocol."""

import json


def parameters_of(response):
    if getattr(response, "automated_parameter_parsing", False):
        parsed = getattr(response, "params", {})
        plain = parsed.original_dict() if hasattr(parsed, "original_dict") else dict(parsed)
        return {**plain, **response.uri_match}
    body = response.body if isinstance(response.body, (str, bytes)) else ""
    try:
        parsed = json.loads(body)
        if isinstance(parsed, dict):
            return {**parsed, **(response.uri_match or {})}
    except (ValueError, TypeError):
        pass
    query = {name: values[0] for name, values in response.querystring.items() if isinstance(values, list) and values}
    return {name: value for name, value in query.items() if name not in ("Action", "Version")}
