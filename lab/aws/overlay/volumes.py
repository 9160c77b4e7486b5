"""EBS volumes: bytes, keys, idempotent creation, states that take time, and the rules of attaching.

https://docs.aws.amazon.com/ebs/latest/userguide/ebs-describing-volumes.html#volume-state
"""

import threading
from contextlib import contextmanager
from contextvars import ContextVar

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_block_store import EBSBackend, Volume, VolumeAttachment
from moto.ec2.models.instances import Instance
from moto.ec2.responses import EC2Response

from . import disk_images, faults
from .durations import ATTACH_SECONDS, DETACH_SECONDS, VOLUME_CREATE_SECONDS, Way, when_arrived
from .kms import ebs_default_key, find_key
from .kms_access import TO_CREATE, TO_READ, TO_WRITE, permitted
from .snapshots import find_snapshot, require_completed
from .support import patch

_tokens = {}
_tokens_lock = threading.Lock()
_force = ContextVar("force", default=False)  # Force of the DetachVolume under way
# Launches and terminations attach and detach too, but by rules of their own.
_by_instance = ContextVar("by_instance", default=False)


@contextmanager
def on_behalf_of_instance():
    token = _by_instance.set(True)
    try:
        yield
    finally:
        _by_instance.reset(token)


def create_volume(original, self, size=None, zone_name=None, snapshot_id=None, **options):
    snapshot = find_snapshot(self.region_name, snapshot_id, self.account_id) if snapshot_id else None
    kms_key_id = options.pop("kms_key_id", None)
    encrypted = bool(options.pop("encrypted", False) or getattr(self, "ebs_encryption_by_default", False))
    if snapshot is not None:
        require_completed(snapshot)
        if size and int(size) < int(snapshot.volume_size):
            raise EC2ClientError(
                "InvalidParameterValue",
                f"Volume of size {size}GB is smaller than snapshot '{snapshot_id}', "
                f"expect size >= {snapshot.volume_size}GB",
            )
        size = size or snapshot.volume_size
        encrypted = encrypted or snapshot.encrypted
        # Without a key in the request, a volume of one's own snapshot keeps its key; of a shared one, gets the default.
        if snapshot.encrypted and snapshot.owner_id == self.account_id:
            kms_key_id = kms_key_id or snapshot.kms_key_id
    if kms_key_id and not encrypted:
        raise EC2ClientError(
            "InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set."
        )
    key = None
    if encrypted:
        default = self.default_kms_key_id or ebs_default_key(self.account_id, self.region_name).arn
        key = find_key(kms_key_id or default, self.account_id, self.region_name)
        kms_key_id = key.arn if key else kms_key_id
    volume = original(self, size, zone_name, None, encrypted=encrypted, kms_key_id=kms_key_id, **options)
    volume.snapshot_id = snapshot_id
    volume._creation = Way(float("inf"), "volumes")  # until its bytes are there
    # EC2 answers before it asks the key: without access to it the volume is made and ends in `error`.
    usable = not encrypted or permitted(
        key, self.account_id, self.region_name, TO_WRITE if snapshot is not None else TO_CREATE
    )
    if snapshot is not None and snapshot.encrypted:
        read = find_key(snapshot.kms_key_id, snapshot.owner_id, self.region_name)
        usable = permitted(read, self.account_id, self.region_name, TO_READ) and usable
    volume._failed = not usable
    if snapshot is not None and not volume._failed:
        source = disk_images.snapshot_file(snapshot.id)
        if source.exists():
            disk_images.copy(source, disk_images.volume_file(volume.id), volume.size)
    volume._creation = Way(VOLUME_CREATE_SECONDS, "volumes")
    return volume


def create_volume_action(original, self):
    """Idempotent by ClientToken, which moto ignores; the same token with other parameters is an error."""
    token = self._get_param("ClientToken")
    if not token:
        return original(self)
    compared = ("Size", "SnapshotId", "AvailabilityZone", "KmsKeyId", "VolumeType")
    asked = {name: self._get_param(name) for name in compared}
    key = (self.current_account, self.region, token)
    with _tokens_lock:
        if key in _tokens:
            before, volume_id = _tokens[key]
            if before != asked:
                raise EC2ClientError(
                    "IdempotentParameterMismatch", "The client token was used before with different parameters."
                )
            return ActionResult(self.ec2_backend.get_volume(volume_id))
        result = original(self)
        _tokens[key] = (asked, result.result.id)
        return result


def volume_status(volume):
    if volume.attachment:
        return "in-use"
    creation = volume.__dict__.get("_creation")
    if creation is not None and not creation.arrived:
        return "creating"
    return "error" if getattr(volume, "_failed", False) else "available"


Volume.status = property(volume_status)


# ---- attachments: `attaching` → `attached` → `detaching`; `busy` when the guest holds on to the volume


def attachment_status(attachment):
    if attachment._status == "attached" and not attachment._attaching.arrived:
        return "attaching"
    return attachment._status


def begin_attachment(attachment, status):
    attachment._status = status
    if status == "attached":
        attachment._attaching = Way(ATTACH_SECONDS, "volumes")


def deleted_on_termination(attachment):
    """moto keeps it with the instance's device, where ModifyInstanceAttribute changes it."""
    device = attachment.instance.block_device_mapping.get(attachment.device)
    return bool(device is not None and device.delete_on_termination)


VolumeAttachment.status = property(attachment_status, begin_attachment)
VolumeAttachment.delete_on_termination = property(deleted_on_termination)


def block_device_mappings(instance):
    """moto keeps the state of the attachment as it was in the first moment."""
    mappings = ORIGINAL_MAPPINGS.fget(instance)
    for mapping in mappings:
        volume = instance.ec2_backend.volumes.get(mapping["Ebs"].volume_id)
        if volume is not None and volume.attachment:
            mapping["Ebs"].status = volume.attachment.status
    return mappings


ORIGINAL_MAPPINGS = Instance.block_device_mappings
Instance.block_device_mappings = property(block_device_mappings)


def attach_volume(original, self, volume_id, instance_id, device_path, delete_on_termination=False):
    volume, instance = self.get_volume(volume_id), self.get_instance(instance_id)
    if not _by_instance.get():
        check_attachable(volume, instance, device_path)
    disk_images.ensure_volume_file(volume_id, volume.size)
    return original(self, volume_id, instance_id, device_path, delete_on_termination)


def check_attachable(volume, instance, device_path):
    if volume.attachment:
        raise EC2ClientError("VolumeInUse", f"{volume.id} is already attached to an instance")
    if volume.status != "available":
        raise EC2ClientError("IncorrectState", f"Volume '{volume.id}' is in the '{volume.status}' state.")
    if instance.state not in ("running", "stopped"):
        raise EC2ClientError("IncorrectState", f"Instance '{instance.id}' is not 'running'.")
    zone = instance.availability_zone
    if zone and volume.zone and volume.zone.name != zone:
        raise EC2ClientError(
            "InvalidVolume.ZoneMismatch",
            f"The volume '{volume.id}' is not in the same availability zone as instance '{instance.id}'",
        )
    if device_path in instance.block_device_mapping:
        raise EC2ClientError(
            "InvalidParameterValue",
            f"Invalid value '{device_path}' for unixDevice. Attachment point {device_path} is already in use",
        )


def detach_volume(original, self, volume_id, instance_id, device_path):
    volume = self.get_volume(volume_id)
    attachment = volume.attachment
    if not attachment:
        raise EC2ClientError("IncorrectState", f"Volume '{volume_id}' is in the 'available' state.")
    instance = attachment.instance
    if instance_id and instance.id != instance_id:
        raise EC2ClientError(
            "InvalidAttachment.NotFound", f"The volume '{volume_id}' is not attached to the instance '{instance_id}'."
        )
    if _by_instance.get():
        return original(self, volume_id, instance.id, device_path)
    if attachment.device == instance.root_device_name and instance.state in ("pending", "running"):
        raise EC2ClientError(
            "OperationNotPermitted", f"Unable to detach root volume '{volume_id}' from instance '{instance.id}'"
        )
    if attachment.status == "busy" and not _force.get():
        return attachment
    if faults.take_busy("DetachVolume", self.account_id, {"VolumeId": volume_id}):
        attachment._status = "busy"  # mounted in the guest: until it lets go, or the volume is detached by force
        return attachment
    attachment._status = "detaching"
    when_arrived(DETACH_SECONDS, "volumes", finish_detaching, original, self, attachment)
    return attachment


def detach_volume_action(original, self):
    token = _force.set(self._get_bool_param("Force", False))
    try:
        return original(self)
    finally:
        _force.reset(token)


def finish_detaching(original, self, attachment):
    if attachment.volume.attachment is attachment:
        original(self, attachment.volume.id, attachment.instance.id, attachment.device)


def delete_volume(original, self, volume_id):
    deleted = original(self, volume_id)
    disk_images.remove(disk_images.volume_file(volume_id))
    return deleted


# ---- checks of volumes


def described_status(volume):
    """The lab's disks do not degrade: what is there is well."""
    passed = volume.status in ("available", "in-use")
    details = [
        {"Name": "io-enabled", "Status": "passed" if passed else "not-applicable"},
        {"Name": "io-performance", "Status": "not-applicable"},
    ]
    return {
        "VolumeId": volume.id,
        "AvailabilityZone": volume.zone.name if volume.zone else None,
        "VolumeStatus": {"Status": "ok" if passed else "insufficient-data", "Details": details},
        "Actions": [],
        "Events": [],
    }


def describe_volume_status(_original, self):
    self.error_on_dryrun()
    wanted = self._get_param("VolumeIds", [])
    found = [described_status(volume) for volume in self.ec2_backend.describe_volumes(wanted or None)]
    for name, values in self._filters_from_querystring().items():
        if name not in ("volume-status.status", "availability-zone"):
            raise NotImplementedError(f"the filter {name} of DescribeVolumeStatus")
        found = [
            one
            for one in found
            if (one["VolumeStatus"]["Status"] if name == "volume-status.status" else one["AvailabilityZone"]) in values
        ]
    size = int(self._get_param("MaxResults") or 0)
    start = int(self._get_param("NextToken") or 0)
    answer = {"VolumeStatuses": found[start : start + size] if size else found}
    if size and start + size < len(found):
        answer["NextToken"] = str(start + size)
    return ActionResult(answer)


patch(
    EBSBackend,
    create_volume=create_volume,
    attach_volume=attach_volume,
    detach_volume=detach_volume,
    delete_volume=delete_volume,
)
patch(
    EC2Response,
    create_volume=create_volume_action,
    detach_volume=detach_volume_action,
    describe_volume_status=describe_volume_status,
)
