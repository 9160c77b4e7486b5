"""The lab's own endpoints under /moto-api/lab/. See emulator.py for the list."""

import json

from moto.ec2.models import ec2_backends
from moto.iam.models import get_account_id_from
from moto.moto_api._internal import urls
from moto.s3.models import s3_backends

from . import faults, held_calls, journal
from .documents import find_document, sha1_of
from .network_state import network_state

JSON = {"Content-Type": "application/json"}


def answer(value, status=200):
    return status, JSON, json.dumps(value)


def faults_endpoint(request, _url, _headers):
    if request.method == "DELETE":
        faults.replace([])
    elif request.method in ("POST", "PUT"):
        try:
            wanted = json.loads(request.data or b"[]")
            if not isinstance(wanted, list):
                raise ValueError("faults are given as a list")
            (faults.replace if request.method == "PUT" else faults.add)(wanted)
        except ValueError as reason:
            return answer({"error": str(reason)}, 400)
    return answer(faults.listed())


def calls_endpoint(request, _url, _headers):
    if request.method == "DELETE":
        journal.clear()
    return answer(journal.listed())


def held_endpoint(request, _url, _headers):
    """PUT {"userAgent"} holds the changes of that caller, DELETE lets all go, POST {number: verdict} decides."""
    try:
        if request.method == "PUT":
            held_calls.hold_changes_of(json.loads(request.data or b"{}").get("userAgent", ""))
        elif request.method == "DELETE":
            held_calls.hold_changes_of(None)
        elif request.method == "POST":
            held_calls.decide(json.loads(request.data or b"{}"))
    except (ValueError, AttributeError) as reason:
        return answer({"error": str(reason)}, 400)
    return answer(held_calls.listed())


def held_answer_endpoint(request, _url, _headers):
    """Run Command's server has carried the call out: answers when its answer may go."""
    call = held_calls.carried_out_call(int(request.args.get("number", "0")))
    if call is not None:
        call.wait_after()
    return answer({})


def account_endpoint(request, _url, _headers):
    return answer({"Account": get_account_id_from(request.args.get("akid", ""))})


def document_endpoint(request, _url, _headers):
    wanted = request.args
    for name in ("account", "region", "name"):
        if name not in wanted:
            return answer({"error": f"the query lacks '{name}'"}, 400)
    found = find_document(wanted["account"], wanted["region"], wanted["name"], wanted.get("version"))
    if found is None:
        place = f"for account {wanted['account']} in {wanted['region']}"
        return answer({"error": f"no document {wanted['name']} {place}"}, 404)
    owner, document = found
    return answer(
        {
            "Name": document.name,
            "Owner": owner,
            "DocumentVersion": document.document_version,
            "DocumentType": document.document_type,
            "Hash": document.hash,
            "Sha1": sha1_of(document),
            "Content": document.content_json,
        }
    )


def bucket_endpoint(request, _url, _headers):
    name = request.args.get("name", "")
    known = any(name in place["aws"].buckets for place in list(s3_backends.values()))
    return answer({"Name": name}) if known else answer({"error": f"no bucket {name}"}, 404)


def instances_endpoint(_request, _url, _headers):
    found = []
    for account, regions in list(ec2_backends.items()):
        for region, backend in list(regions.items()):
            for reservation in list(backend.reservations.values()):
                found.extend(described(account, region, backend, instance) for instance in reservation.instances)
    return answer(found)


def network_endpoint(_request, _url, _headers):
    return answer(network_state())


def tags_of(resource):
    return {tag["key"]: tag["value"] for tag in resource.get_tags()}


def described(account, region, backend, instance):
    own_tags = tags_of(instance)
    image = backend.amis.get(instance.image_id)
    # How the lab runs an instance may be said of its image: whoever launches it does not know of the lab.
    lab_tags = {key: value for key, value in (tags_of(image) if image else {}).items() if key.startswith("lab:")}
    tags = {**lab_tags, **own_tags}
    volumes = [volume(backend, device, mapping) for device, mapping in instance.get_block_device_mapping]
    interfaces = [
        {"networkInterfaceId": interface.id, "groups": [group.id for group in interface.group_set]}
        for interface in instance.nics.values()
        if interface.instance is instance
    ]
    return {
        "accountId": account,
        "region": region,
        "instanceId": instance.id,
        "state": instance.state,
        "imageId": instance.image_id,
        "kind": tags.get("lab:kind") or "paper",
        "tags": tags,
        "instanceType": instance.instance_type,
        "availabilityZone": instance.availability_zone,
        "privateIpAddress": instance.private_ip,
        "volumes": volumes,
        "networkInterfaces": interfaces,
    }


def volume(backend, device, mapping):
    known = backend.volumes.get(mapping.volume_id)
    # EC2 attaches nothing read-only; the instance host may be told by a tag to let the guest only read.
    read_only = known is not None and tags_of(known).get("lab:read-only") == "true"
    size = int(known.size) if known is not None else None
    return {"volumeId": mapping.volume_id, "device": device, "sizeGiB": size, "readOnlyHint": read_only}


for path, endpoint in {
    "faults": faults_endpoint,
    "calls": calls_endpoint,
    "held": held_endpoint,
    "held-answer": held_answer_endpoint,
    "account": account_endpoint,
    "document": document_endpoint,
    "bucket": bucket_endpoint,
    "instances": instances_endpoint,
    "network": network_endpoint,
}.items():
    urls.url_paths["{0}/moto-api/lab/" + path] = endpoint
