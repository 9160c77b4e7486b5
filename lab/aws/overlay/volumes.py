"""EBS volumes: bytes, keys, idempotent creation, and the rules of attaching."""

import threading

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_block_store import EBSBackend, Volume
from moto.ec2.responses import EC2Response

from . import disk_images
from .kms import ebs_default_key, find_key, key_usable
from .snapshots import find_snapshot, require_completed
from .support import patch

_tokens = {}
_tokens_lock = threading.Lock()


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
    needed = [key] if encrypted else []
    if snapshot is not None and snapshot.encrypted:
        needed.append(find_key(snapshot.kms_key_id, snapshot.owner_id, self.region_name))
    # EC2 answers before it asks the key: without access to it the volume is made and ends in `error`.
    volume._failed = not all(key_usable(one, self.account_id) for one in needed)
    if snapshot is not None and not volume._failed:
        source = disk_images.snapshot_file(snapshot.id)
        if source.exists():
            disk_images.copy(source, disk_images.volume_file(volume.id), volume.size)
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
    if getattr(volume, "_failed", False):
        return "error"
    return "in-use" if volume.attachment else "available"


Volume.status = property(volume_status)


def attach_volume(original, self, volume_id, instance_id, device_path, delete_on_termination=False):
    volume, instance = self.get_volume(volume_id), self.get_instance(instance_id)
    if volume.status == "error":
        raise EC2ClientError("IncorrectState", f"Volume '{volume_id}' is in the 'error' state.")
    if volume.attachment:
        raise EC2ClientError("VolumeInUse", f"{volume_id} is already attached to an instance")
    if instance.state not in ("running", "stopped", "pending"):
        raise EC2ClientError("IncorrectState", f"The instance '{instance_id}' is in the state {instance.state}.")
    zone = instance.availability_zone
    if zone and volume.zone and volume.zone.name != zone:
        raise EC2ClientError(
            "InvalidVolume.ZoneMismatch",
            f"The volume '{volume_id}' is not in the same availability zone as instance '{instance_id}'",
        )
    if device_path in instance.block_device_mapping:
        raise EC2ClientError(
            "InvalidParameterValue",
            f"Invalid value '{device_path}' for unixDevice. Attachment point {device_path} is already in use",
        )
    disk_images.ensure_volume_file(volume_id, volume.size)
    return original(self, volume_id, instance_id, device_path, delete_on_termination)


def detach_volume(original, self, volume_id, instance_id, device_path):
    volume = self.get_volume(volume_id)
    if not volume.attachment:
        raise EC2ClientError("IncorrectState", f"Volume '{volume_id}' is in the 'available' state.")
    attached_to = volume.attachment.instance
    if instance_id and attached_to.id != instance_id:
        raise EC2ClientError(
            "InvalidAttachment.NotFound", f"The volume '{volume_id}' is not attached to the instance '{instance_id}'."
        )
    return original(self, volume_id, attached_to.id, device_path)


def delete_volume(original, self, volume_id):
    deleted = original(self, volume_id)
    disk_images.remove(disk_images.volume_file(volume_id))
    return deleted


patch(
    EBSBackend,
    create_volume=create_volume,
    attach_volume=attach_volume,
    detach_volume=detach_volume,
    delete_volume=delete_volume,
)
patch(EC2Response, create_volume=create_volume_action)
