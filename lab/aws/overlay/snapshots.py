"""EBS snapshots: states that take time, sharing, copies between accounts under other keys, and real bytes."""

import math
import threading
import time
from datetime import datetime, timezone

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.ec2.models.elastic_block_store import EBSBackend, Snapshot
from moto.ec2.utils import random_snapshot_id

from . import disk_images, faults
from .durations import (
    COPY_SECONDS,
    COPY_SECONDS_PER_GIB,
    SNAPSHOT_SECONDS,
    SNAPSHOT_SECONDS_PER_GIB,
    held,
)
from .guest_pause import paused
from .kms import aws_managed, ebs_default_key, find_key
from .kms_access import TO_READ, TO_WRITE, permitted
from .support import COPY_LIMIT, patch

INACCESSIBLE_KEY = "Given key ID is not accessible"
# "Snapshots created by the CopySnapshot action have an arbitrary volume ID that should not be used for any purpose":
# EC2 shows this one.
COPIED_VOLUME = "vol-ffffffff"
BLOCK = 512 * 1024  # snapshots are kept, listed and billed in blocks of this size
VOLUME_LIMIT = 5  # quota "Concurrent snapshots per General Purpose SSD volume"
INCREMENTAL_SHARE = 0.1  # of the written blocks, what a later snapshot of a volume is taken to have anew

_copies_lock = threading.Lock()


class CopiedVolume:
    """Stands for the volume of a copied snapshot, which keeps its size and nothing else."""

    id = COPIED_VOLUME

    def __init__(self, size, encrypted, kms_key_id):
        self.size = size
        self.encrypted = encrypted
        self.kms_key_id = kms_key_id


# ---- states: a snapshot is `pending` until its time has come, then `completed` or `error`


def begin(snapshot, seconds, hold=None):
    """Starts the clock. `hold` names what keeps the snapshot pending beyond its time (durations.py)."""
    snapshot._began = time.time()
    snapshot._seconds = seconds
    snapshot._hold = hold
    snapshot._ended = None


def status(snapshot):
    if snapshot.__dict__.get("_ended"):
        return snapshot._ended
    due = snapshot._began + snapshot._seconds
    if time.time() < due or held(snapshot._hold, due):
        return "pending"
    # Once and for all: what has completed is not pending again because a hold begins.
    snapshot._ended = "error" if snapshot.__dict__.get("_failure") else "completed"
    return snapshot._ended


def progress(snapshot):
    state = status(snapshot)
    if state == "completed":
        return "100%"
    return f"{shown_percent((time.time() - snapshot._began) / snapshot._seconds if snapshot._seconds else 1)}%"


def shown_percent(share):
    """As on AWS: nothing for a while, then in steps, fast at first, and long at 99."""
    if share < 0.1:
        return 0
    risen = min(1, (share - 0.1) / 0.8)
    return min(99, 3 * math.floor(33.3 * math.sin(risen * math.pi / 2)))


def completion_time(snapshot):
    if status(snapshot) != "completed" or snapshot._seconds == float("inf"):
        return None
    return datetime.fromtimestamp(snapshot._began + snapshot._seconds, timezone.utc).replace(tzinfo=None)


def state_message(snapshot):
    return snapshot.__dict__.get("_failure") if status(snapshot) == "error" else None


def full_size(snapshot):
    """Bytes of all blocks that the snapshot refers to, not of those that only it holds; None until that is known."""
    return snapshot.__dict__.get("_full_size") if status(snapshot) == "completed" else None


def written_blocks(snapshot_id):
    """Indexes of the blocks of a snapshot that hold data."""
    path = disk_images.snapshot_file(snapshot_id)
    if not path.exists():
        return []
    found = []
    with open(path, "rb") as image:
        for start, end in disk_images.extents(image.fileno()):
            first = start // BLOCK
            if found and found[-1] == first:
                first += 1  # two stretches in one block
            found.extend(range(first, (end + BLOCK - 1) // BLOCK))
    return found


def measure(snapshot):
    """Remembers how much was written and returns it in GiB."""
    snapshot._full_size = len(written_blocks(snapshot.id)) * BLOCK
    return snapshot._full_size / disk_images.GIB


# moto assigns `status` once, when it makes the snapshot, whose bytes are not there yet.
Snapshot.status = property(status, lambda snapshot, _value: begin(snapshot, float("inf")))
Snapshot.state = property(status)  # the name of the same in the answer of CreateSnapshots
Snapshot.progress = property(progress)
Snapshot.state_message = property(state_message)
Snapshot.completion_time = property(completion_time)
Snapshot.full_snapshot_size_in_bytes = property(full_size)


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
    volume = self.get_volume(volume_id)
    of_volume = [one for one in list(self.snapshots.values()) if one.volume is volume]
    if len([one for one in of_volume if one.status == "pending"]) >= VOLUME_LIMIT:
        raise EC2ClientError(
            "ConcurrentSnapshotLimitExceeded", "Maximum allowed in-progress snapshots for a single volume exceeded."
        )
    earlier = any(one.status == "completed" for one in of_volume)
    with paused([volume.attachment.instance.id] if volume.attachment else []):
        snapshot = original(self, volume_id, description, owner_id, from_ami)
        snapshot.kms_key_id = volume.kms_key_id
        snapshot._size = volume.size  # ModifyVolume may grow the volume later; a snapshot keeps its size
        if from_ami:
            begin(snapshot, 0)
            return snapshot
        source = disk_images.ensure_volume_file(volume_id, volume.size)
        disk_images.copy(source, disk_images.snapshot_file(snapshot.id), volume.size)
    snapshot._failure = faults.take_outcome("CreateSnapshot", self.account_id, {"VolumeId": volume_id})
    snapshot._failure = snapshot._failure or faults.take_outcome(
        "CreateSnapshots", self.account_id, {"VolumeId": volume_id}
    )
    written = measure(snapshot) * (INCREMENTAL_SHARE if earlier else 1)
    begin(snapshot, SNAPSHOT_SECONDS + written * SNAPSHOT_SECONDS_PER_GIB, "snapshots")
    return snapshot


def create_snapshots(_original, self, specification, description, tags):
    """All volumes of an instance at one instant, but for those the specification leaves out."""
    instance = self.get_instance(specification["InstanceId"])
    without_boot = str(specification.get("ExcludeBootVolume")).lower() == "true"
    excluded = specification.get("ExcludeDataVolumeIds", [])
    devices = {device: mapping.volume_id for device, mapping in instance.get_block_device_mapping}
    attached, root = list(devices.values()), devices.get(instance.root_device_name)
    if root in excluded:
        raise EC2ClientError(
            "InvalidParameterValue", "ExcludeDataVolumeIds: for the root volume use ExcludeBootVolume instead."
        )
    chosen = [one for one in attached if one not in excluded and not (without_boot and one == root)]
    taken = []
    with paused([instance.id]):
        for volume_id in chosen:
            taken.append(self.create_snapshot(volume_id, description=description))
    for snapshot in taken:
        # AWS's own tags (aws:…) are not the account's to set.
        if specification.get("CopyTagsFromSource") == "volume":
            own = {tag["key"]: tag["value"] for tag in snapshot.volume.get_tags()}
            snapshot.add_tags({key: value for key, value in own.items() if not key.startswith("aws:")})
        snapshot.add_tags(tags)
    return taken


def copy_snapshot(_original, self, source_snapshot_id, source_region, description, kms_key_id, encrypted=False):
    """A copy may go between accounts and change the key. A key out of reach fails the copy, not the call (as EC2)."""
    source = find_snapshot(source_region, source_snapshot_id, self.account_id)
    require_completed(source)
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
    copied._is_copy = True  # StartSnapshot of the EBS direct APIs gives the same arbitrary volume id
    with _copies_lock:
        require_room(self)
        self.snapshots[copied.id] = copied
    usable = not encrypted or permitted(key, self.account_id, self.region_name, TO_WRITE)
    if source.encrypted:
        source_key = find_key(source.kms_key_id, source.owner_id, source_region)
        usable = permitted(source_key, self.account_id, source_region, TO_READ) and usable
    parameters = {"SourceSnapshotId": source_snapshot_id, "SourceRegion": source_region, "KmsKeyId": kms_key_id}
    copied._failure = faults.take_outcome("CopySnapshot", self.account_id, parameters)
    if not usable:
        copied._failure = copied._failure or INACCESSIBLE_KEY
    written = 0
    if copied._failure is None:
        disk_images.copy(
            disk_images.snapshot_file(source.id), disk_images.snapshot_file(copied.id), source.volume_size
        )
        written = measure(copied)
    begin(copied, COPY_SECONDS + written * COPY_SECONDS_PER_GIB, "copies")
    return copied


def require_room(backend):
    """The quota "Concurrent snapshot copies per destination Region" of an account."""
    copies = [one for one in list(backend.snapshots.values()) if one.__dict__.get("_is_copy")]
    if len([one for one in copies if one.status == "pending"]) >= COPY_LIMIT:
        raise EC2ClientError(
            "ResourceLimitExceeded", f"Too many snapshot copies in progress. The limit is {COPY_LIMIT}."
        )


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
