"""SSM documents: by name or ARN, shared between accounts; SendCommand as a gate only.

Run Command itself is another server of the lab. It forwards each SendCommand to this one first, which authenticates,
authorizes and journals it, and refuses a document that is not there.
"""

import re

from moto.ssm.models import Command, SimpleSystemManagerBackend, ssm_backends

from .support import AwsError, patch

ARN = re.compile(r"arn:[^:]+:ssm:(?P<region>[^:]+):(?P<account>\d{12}):document/(?P<name>.+)")


def documents_of(account, region, reference):
    """(owner, moto's Documents) by name or ARN, if this account may use it; None when it may not or there is none."""
    owner, place, name = account, region, reference
    if named := ARN.match(reference):
        owner, place, name = named["account"], named["region"], named["name"]
    found = ssm_backends[owner][place]._documents.get(name)
    if found is None or (owner != account and not ({account, "all"} & set(found.permissions))):
        return None
    return owner, found


def find_document(account, region, reference, version=None):
    """(owner, document); version may be a number, $DEFAULT, $LATEST or None (default)."""
    found = documents_of(account, region, reference)
    if found is None:
        return None
    owner, documents = found
    wanted = None if version in (None, "", "$DEFAULT") else version
    document = documents.find(document_version=wanted, strict=False)
    return None if document is None else (owner, document)


def owner_backend(backend, reference):
    """The backend that holds the document of an ARN, and its plain name; refuses what is not shared."""
    named = ARN.match(reference or "")
    if named is None:
        return backend, reference
    if documents_of(backend.account_id, backend.region_name, reference) is None:
        raise AwsError("InvalidDocument", f"Document with name {reference} does not exist.")
    return ssm_backends[named["account"]][named["region"]], named["name"]


def read_document(original, self, name, document_version=None, **options):
    holder, plain = owner_backend(self, name)
    version = None if document_version == "$DEFAULT" else document_version
    return original(holder, name=plain, document_version=version, **options)


def send_command(original, self, **options):
    name = options.get("document_name") or ""
    # AWS's own documents are known to every account; the Run Command server has their content.
    if not name.startswith("AWS-") and documents_of(self.account_id, self.region_name, name) is None:
        raise AwsError("InvalidDocument", f"Document with name {name} does not exist.")
    return original(self, **options)


def instances_of_targets(_original, self):
    """moto takes no target for every instance of the account, and fails on the key InstanceIds."""
    return [value for target in self.targets if target["Key"] == "InstanceIds" for value in target["Values"]]


patch(
    SimpleSystemManagerBackend,
    get_document=read_document,
    describe_document=read_document,
    send_command=send_command,
)
patch(Command, _get_instance_ids_from_targets=instances_of_targets)
