"""What CreateDocument and UpdateDocument check of a Command document.

Sources: Systems Manager User Guide, "Data elements and parameters", "Command document plugin reference", "Systems
Manager service quotas" (64 KB). Whether each `{{ name }}` is declared is left to the agent, which leaves it as it is.
"""

import json
import re

import yaml

from .support import AwsError

LARGEST = 64 * 1024
SCHEMA_VERSIONS = ("1.2", "2.0", "2.2")
TOP_LEVEL = {"schemaVersion", "description", "parameters", "mainSteps", "files"}
STEP_MEMBERS = {"action", "name", "inputs", "precondition", "maxAttempts", "onFailure", "isEnd", "timeoutSeconds"}
STEP_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
PARAMETER_NAME = re.compile(r"[a-zA-Z0-9_.-]+")
PARAMETER_TYPES = ("String", "StringList", "Integer", "Boolean", "MapList", "StringMap")
PARAMETER_MEMBERS = {
    "type", "description", "default", "allowedValues", "allowedPattern", "displayType", "minItems", "maxItems",
    "minChars", "maxChars", "interpolationType", "assumeRole",
}  # fmt: skip
DEFAULT_TYPES = {"String": str, "StringList": list, "Integer": int, "Boolean": bool, "MapList": list, "StringMap": dict}
# Action: the inputs that it cannot do without.
ACTIONS = {
    "aws:applications": ("action", "source"),
    "aws:cloudWatch": (),
    "aws:configureDocker": ("action",),
    "aws:configurePackage": ("name", "action"),
    "aws:domainJoin": ("directoryId", "directoryName"),
    "aws:downloadContent": ("sourceType", "sourceInfo"),
    "aws:psModule": ("source",),
    "aws:refreshAssociation": (),
    "aws:runDockerAction": ("action",),
    "aws:runDocument": ("documentType",),
    "aws:runPowerShellScript": ("runCommand",),
    "aws:runShellScript": ("runCommand",),
    "aws:softwareInventory": (),
    "aws:updateAgent": ("agentName",),
    "aws:updateSsmAgent": ("agentName",),
}
PLATFORMS = ["Windows", "Linux", "MacOS"]
PLATFORMS_OF_ACTION = {
    "aws:runShellScript": ["Linux", "MacOS"],
    "aws:applications": ["Windows"],
    "aws:cloudWatch": ["Windows"],
    "aws:psModule": ["Windows"],
}


def refuse(reason):
    raise AwsError("InvalidDocumentContent", reason)


def check_command_document(content, document_format):
    """Raises what AWS answers for a Command document that cannot be used."""
    if len(content.encode()) > LARGEST:
        raise AwsError("MaxDocumentSizeExceeded", "The size limit of a document is 64 KB.")
    document = parsed(content, document_format)
    if not isinstance(document, dict):
        refuse("The content of the document is not a mapping.")
    version = str(document.get("schemaVersion", ""))
    if version not in SCHEMA_VERSIONS:
        message = f"Schema version {version or 'none'} is not supported by documents of type Command."
        raise AwsError("InvalidDocumentSchemaVersion", message)
    if version == "1.2":
        return  # of the first schema only that it is there: nobody writes it any more
    if unknown := sorted(set(document) - TOP_LEVEL):
        refuse(f"Unknown document content key: {unknown[0]}")
    check_parameters(document.get("parameters", {}))
    check_steps(document.get("mainSteps"))


def parsed(content, document_format):
    try:
        return json.loads(content) if document_format != "YAML" else yaml.safe_load(content)
    except json.JSONDecodeError as reason:
        refuse(f"JSON not well-formed. at Line: {reason.lineno}, Column: {reason.colno}")
    except yaml.YAMLError as reason:
        mark = getattr(reason, "problem_mark", None)
        place = f" at Line: {mark.line + 1}, Column: {mark.column + 1}" if mark else ""
        refuse(f"YAML not well-formed.{place}")


def check_parameters(parameters):
    if not isinstance(parameters, dict):
        refuse("parameters is not a mapping.")
    for name, declaration in parameters.items():
        if not PARAMETER_NAME.fullmatch(str(name)):
            refuse(f"Parameter name {name} is not valid.")
        if not isinstance(declaration, dict):
            refuse(f"Parameter {name} is not a mapping.")
        if unknown := sorted(set(declaration) - PARAMETER_MEMBERS):
            refuse(f"Parameter {name} has an unknown member: {unknown[0]}")
        check_declaration(name, declaration)


def check_declaration(name, declaration):
    kind = declaration.get("type")
    if kind not in PARAMETER_TYPES:
        refuse(f"Parameter {name} has type {kind}, which is none of {', '.join(PARAMETER_TYPES)}.")
    pattern = declaration.get("allowedPattern")
    if pattern is not None and not is_pattern(pattern):
        refuse(f"allowedPattern of parameter {name} is not a regular expression.")
    default = declaration.get("default")
    if default is None:
        return
    wrong_type = not isinstance(default, DEFAULT_TYPES[kind]) or (kind == "Integer" and isinstance(default, bool))
    if wrong_type:
        refuse(f"The default of parameter {name} is not of type {kind}.")
    allowed = declaration.get("allowedValues")
    values = default if kind == "StringList" else [default]
    if allowed is not None and any(value not in allowed for value in values):
        refuse(f"The default of parameter {name} is not one of its allowedValues.")


def is_pattern(text):
    try:
        re.compile(text)
        return True
    except (re.error, TypeError):
        return False


def check_steps(steps):
    if not isinstance(steps, list) or not steps:
        refuse("mainSteps is missing or empty.")
    names = set()
    for step in steps:
        if not isinstance(step, dict):
            refuse("A step of mainSteps is not a mapping.")
        name = step.get("name")
        if not isinstance(name, str) or not STEP_NAME.fullmatch(name):
            refuse(f"Step name {name} is not valid.")
        if name in names:
            refuse(f"Step name {name} is not unique.")
        names.add(name)
        check_step(name, step)


def check_step(name, step):
    action = step.get("action")
    if action not in ACTIONS:
        refuse(f"Invalid plugin: {action} of step {name}.")
    if unknown := sorted(set(step) - STEP_MEMBERS):
        refuse(f"Step {name} has an unknown member: {unknown[0]}")
    inputs = step.get("inputs", {})
    if not isinstance(inputs, dict):
        refuse(f"inputs of step {name} is not a mapping.")
    if missing := [member for member in ACTIONS[action] if member not in inputs]:
        refuse(f"Step {name} lacks the input {missing[0]}.")
    command = inputs.get("runCommand", [])
    if not isinstance(command, str) and not (isinstance(command, list) and all(isinstance(c, str) for c in command)):
        refuse(f"runCommand of step {name} is not a list of strings.")


def platforms_of(content):
    """PlatformTypes of a document, from the actions of its steps."""
    steps = content.get("mainSteps") if isinstance(content, dict) else None
    found = set()
    for step in steps if isinstance(steps, list) else []:
        found.update(PLATFORMS_OF_ACTION.get(step.get("action"), PLATFORMS))
    return [platform for platform in PLATFORMS if platform in found] or PLATFORMS
