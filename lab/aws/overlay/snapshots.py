"""EBS snapshots: states that take time, sharing, copies between accounts under other keys, and real bytes."""

import time
from datetime import datetime, timezone

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.ec2.models.elastic_block_store import EBSBackend, Snapshot
from moto.ec2.utils import random_snapshot_id

from . import disk_images, faults
from .kms import aws_managed, ebs_default_key, find_key, key_usable
from .support import COPY_LIMIT, COPY_SECONDS, SNAPSHOT_SECONDS, patch

INACCESSIBLE_KEY = "Given key ID is not accessible"
COPIED_VOLUME = "vol-ffffffff"  # what EC2 shows as the volume of a copied snapshot


class CopiedVolume:
    """Stands for the volume of a copied snapshot, which keeps its size and nothing else."""

    id = COPIED_VOLUME

    def __init__(self, size, encrypted, kms_key_id):
        self.size = size
        self.encrypted = encrypted
        self.kms_key_id = kms_key_id


# ---- states: a snapshot is `pending` until its time has come, then `completed` or `error`


def begin(snapshot, seconds):
    snapshot._began = time.time()
    snapshot._seconds = seconds


def status(snapshot):
    if time.time() < snapshot._began + snapshot._seconds:
        return "pending"
    return "error" if snapshot.__dict__.get("_failure") else "completed"


def progress(snapshot):
    state = status(snapshot)
    if state == "completed":
        return "100%"
    share = (time.time() - snapshot._began) / snapshot._seconds if snapshot._seconds else 1
    return f"{max(0, min(99, int(share * 100)))}%"


def completion_time(snapshot):
    if status(snapshot) != "completed" or snapshot._seconds == float("inf"):
        return None
    return datetime.fromtimestamp(snapshot._began + snapshot._seconds, timezone.utc).replace(tzinfo=None)


def state_message(snapshot):
    return snapshot.__dict__.get("_failure") if status(snapshot) == "error" else None


# moto assigns `status` once, when it makes the snapshot: that starts the clock.
Snapshot.status = property(status, lambda snapshot, _value: begin(snapshot, SNAPSHOT_SECONDS))
Snapshot.state = property(status)  # the name of the same in the answer of CreateSnapshots
Snapshot.progress = property(progress)
Snapshot.state_message = property(state_message)
Snapshot.completion_time = property(completion_time)


# ---- who sees a snapshot


def visible(snapshot, account):
    return (
        snapshot.owner_id == account
        or account in snapshot.create_volume_permission_userids
        or "all" in snapshot.create_volume_permission_groups
    )


def all_snapshots(region):
    for regions in list(ec2_backends.values()):
        if region in regions:
            yield from list(regions[region].snapshots.values())


def not_found(snapshot_id):
    return EC2ClientError("InvalidSnapshot.NotFound", f"The snapshot '{snapshot_id}' does not exist.")


def find_snapshot(region, snapshot_id, account):
    """A snapshot that this account may read: its own, or one shared with it."""
    for snapshot in all_snapshots(region):
        if snapshot.id == snapshot_id and visible(snapshot, account):
            return snapshot
    raise not_found(snapshot_id)


def require_completed(snapshot):
    if snapshot.status != "completed":
        raise EC2ClientError("IncorrectState", f"Snapshot {snapshot.id} is not in the completed state.")


# ---- making snapshots


def create_snapshot(original, self, volume_id, description, owner_id=None, from_ami=None):
    snapshot = original(self, volume_id, description, owner_id, from_ami)
    snapshot.kms_key_id = snapshot.volume.kms_key_id
    snapshot._size = snapshot.volume.size  # ModifyVolume may grow the volume later; a snapshot keeps its size
    if from_ami:
        begin(snapshot, 0)
        return snapshot
    snapshot._failure = faults.take_outcome("CreateSnapshot", self.account_id, {"VolumeId": volume_id})
    snapshot._failure = snapshot._failure or faults.take_outcome(
        "CreateSnapshots", self.account_id, {"VolumeId": volume_id}
    )
    source = disk_images.ensure_volume_file(volume_id, snapshot.volume.size)
    disk_images.copy(source, disk_images.snapshot_file(snapshot.id), snapshot.volume.size)
    return snapshot


def create_snapshots(_original, self, specification, description, tags):
    """All volumes of an instance at one instant, but for those the specification leaves out."""
    instance = self.get_instance(specification["InstanceId"])
    without_boot = str(specification.get("ExcludeBootVolume")).lower() == "true"
    excluded = specification.get("ExcludeDataVolumeIds", [])
    taken = []
    for device, mapping in instance.get_block_device_mapping:
        if (without_boot and device == instance.root_device_name) or mapping.volume_id in excluded:
            continue
        snapshot = self.create_snapshot(mapping.volume_id, description=description)
        if specification.get("CopyTagsFromSource") == "volume":
            volume = self.get_volume(mapping.volume_id)
            snapshot.add_tags({tag["key"]: tag["value"] for tag in volume.get_tags()})
        snapshot.add_tags(tags)
        taken.append(snapshot)
    return taken


def copy_snapshot(
    _original, self, source_snapshot_id, source_region, description, kms_key_id, encrypted=False, seconds=None
):
    """A copy may go between accounts and change the key. A key out of reach fails the copy, not the call (as EC2)."""
    source = find_snapshot(source_region, source_snapshot_id, self.account_id)
    require_completed(source)
    copies = [one for one in list(self.snapshots.values()) if one.volume.id == COPIED_VOLUME]
    if len([one for one in copies if one.status == "pending"]) >= COPY_LIMIT:
        raise EC2ClientError(
            "ResourceLimitExceeded", f"Too many snapshot copies in progress. The limit is {COPY_LIMIT}."
        )
    encrypted = bool(encrypted or source.encrypted or kms_key_id or getattr(self, "ebs_encryption_by_default", False))
    key = None
    if encrypted:
        default = self.default_kms_key_id or ebs_default_key(self.account_id, self.region_name).arn
        key = find_key(kms_key_id or default, self.account_id, self.region_name)
        kms_key_id = key.arn if key else kms_key_id
    copied = Snapshot(
        self,
        random_snapshot_id(),
        volume=CopiedVolume(source.volume_size, encrypted, kms_key_id),
        description=description or "",
        encrypted=encrypted,
        kms_key_id=kms_key_id if encrypted else None,
    )
    copied._size = source.volume_size
    needed = [key] if encrypted else []
    if source.encrypted:
        needed.append(find_key(source.kms_key_id, source.owner_id, source_region))
    parameters = {"SourceSnapshotId": source_snapshot_id, "SourceRegion": source_region, "KmsKeyId": kms_key_id}
    failure = faults.take_outcome("CopySnapshot", self.account_id, parameters)
    if not all(key_usable(one, self.account_id) for one in needed):
        failure = failure or INACCESSIBLE_KEY
    copied._failure = failure
    if failure is None:
        disk_images.copy(
            disk_images.snapshot_file(source.id), disk_images.snapshot_file(copied.id), source.volume_size
        )
    begin(copied, COPY_SECONDS if seconds is None else seconds)
    self.snapshots[copied.id] = copied
    return copied


def delete_snapshot(original, self, snapshot_id):
    lock = self.get_snapshot(snapshot_id).__dict__.get("lock")
    if lock is not None and lock.holds():
        raise EC2ClientError("SnapshotLocked", f"The snapshot {snapshot_id} is locked and cannot be deleted.")
    deleted = original(self, snapshot_id)
    disk_images.remove(disk_images.snapshot_file(snapshot_id))
    return deleted


Snapshot.volume_size = property(lambda snapshot: snapshot.__dict__.get("_size") or snapshot.volume.size)


# ---- sharing


def share(original, self, snapshot_id, user_ids, groups):
    snapshot = self.get_snapshot(snapshot_id)
    if snapshot.encrypted:
        key = find_key(snapshot.kms_key_id, self.account_id, self.region_name)
        if key is None or aws_managed(key):
            raise EC2ClientError(
                "InvalidParameter",
                "Snapshots encrypted with the AWS Managed CMK can't be shared. Specify another snapshot.",
            )
    blocked = getattr(self, "block_public_access", "unblocked") != "unblocked"
    if groups and (snapshot.encrypted or blocked):
        raise EC2ClientError("OperationNotPermitted", "Public sharing of this snapshot is not permitted.")
    return original(self, snapshot_id, user_ids or [], groups or [])


patch(
    EBSBackend,
    create_snapshot=create_snapshot,
    create_snapshots=create_snapshots,
    copy_snapshot=copy_snapshot,
    delete_snapshot=delete_snapshot,
    add_create_volume_permission=share,
)
