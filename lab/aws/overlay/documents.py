"""SSM documents: checked content, by name or ARN, shared between accounts; SendCommand as a gate only.

Run Command itself is another server of the lab. It forwards each SendCommand to this one first, which authenticates,
authorizes and journals it, and refuses a document that is not there.
"""

import hashlib
import re

from moto.ssm.models import Command, Document, Documents, SimpleSystemManagerBackend, ssm_backends

from .document_content import check_command_document, platforms_of
from .support import AwsError, patch

ARN = re.compile(r"arn:[^:]+:ssm:(?P<region>[^:]+):(?P<account>\d{12}):document/(?P<name>.+)")
MISSING = "The specified SSM document does not exist."
NO_VERSION = "The document version is not valid or does not exist."


def documents_of(account, region, reference):
    """(owner, moto's Documents) by name or ARN, if this account may use it; None when it may not or there is none."""
    owner, place, name = account, region, reference
    if named := ARN.match(reference):
        owner, place, name = named["account"], named["region"], named["name"]
    found = ssm_backends[owner][place]._documents.get(name)
    if found is None or (owner != account and permission(found, account) is None):
        return None
    return owner, found


def permission(documents, account):
    return documents.permissions.get(account) or documents.permissions.get("all")


def find_document(account, region, reference, version=None):
    """(owner, document); version may be a number, $DEFAULT, $LATEST or None (default)."""
    found = documents_of(account, region, reference)
    if found is None:
        return None
    owner, documents = found
    document = version_of(documents, version)
    if document is None or (owner != account and not shares(documents, account, document)):
        return None
    return owner, document


def version_of(documents, version):
    wanted = None if version in (None, "", "$DEFAULT") else version
    return documents.find(document_version=wanted, strict=False)


def shares(documents, account, document):
    """SharedDocumentVersion of ModifyDocumentPermission: the default version unless it says $LATEST or $ALL."""
    shared = permission(documents, account).version
    if shared == "$ALL":
        return True
    version = documents.latest_version if shared == "$LATEST" else documents.default_version
    return document.document_version == version


def sha1_of(document):
    return hashlib.sha1(document.content.encode()).hexdigest()


def read_document(original, self, name, document_version=None, version_name=None, **options):
    """GetDocument and DescribeDocument: a document that is shared goes by its ARN."""
    found = documents_of(self.account_id, self.region_name, name or "")
    if found is None:
        raise AwsError("InvalidDocument", MISSING)
    owner, documents = found
    plain, region = named_place(name, self.region_name)
    version = None if document_version in (None, "", "$DEFAULT") else document_version
    document = documents.find(version, version_name, strict=False)
    if document is None or (owner != self.account_id and not shares(documents, self.account_id, document)):
        raise AwsError("InvalidDocumentVersion", NO_VERSION)
    holder = ssm_backends[owner][region]
    return original(holder, name=plain, document_version=version, version_name=version_name, **options)


def named_place(reference, region):
    named = ARN.match(reference)
    return (named["name"], named["region"]) if named else (reference, region)


def described(original, self, document_version=None, version_name=None, tags=None):
    description = original(self, document_version, version_name, tags=tags)
    document = self.find(document_version, version_name)
    return {**description, "Sha1": sha1_of(document)}


def with_platforms(original, self, *args, **kwargs):
    original(self, *args, **kwargs)
    self.platform_types = platforms_of(self.content_json)


def create_document(original, self, content, document_type, document_format, **options):
    if document_type == "Command":
        check_command_document(content, document_format)
    return original(self, content=content, document_type=document_type, document_format=document_format, **options)


def update_document(original, self, content, name, document_format, **options):
    known = self._documents.get(name)
    if known is not None and known.get_default_version().document_type == "Command":
        check_command_document(content, document_format)
    return original(self, content=content, name=name, document_format=document_format, **options)


def update_default_version(original, self, name, document_version):
    known = self._documents.get(name)
    if known is None:
        raise AwsError("InvalidDocument", MISSING)
    if known.find_by_version(document_version) is None:
        raise AwsError("InvalidDocumentVersion", NO_VERSION)
    return original(self, name=name, document_version=document_version)


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
    create_document=create_document,
    update_document=update_document,
    update_document_default_version=update_default_version,
    get_document=read_document,
    describe_document=read_document,
    send_command=send_command,
)
patch(Document, __init__=with_platforms)
patch(Documents, describe=described)
patch(Command, _get_instance_ids_from_targets=instances_of_targets)
