"""EBS direct APIs over the snapshot files: real blocks, real checksums, pages, shared snapshots.

https://docs.aws.amazon.com/ebs/latest/userguide/readsnapshots.html
"""

import base64
import hashlib
import hmac
import os
import threading
import time
from datetime import datetime, timedelta, timezone

from moto.core.responses import ActionResult
from moto.ebs.responses import EBSResponse
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.ec2.models.elastic_block_store import Snapshot
from moto.ec2.utils import random_snapshot_id

from . import disk_images
from .durations import SNAPSHOT_SECONDS
from .kms import ebs_default_key, find_key
from .kms_access import TO_READ_BLOCKS, TO_WRITE_BLOCKS, permitted
from .snapshots import BLOCK, CopiedVolume, begin, find_snapshot, measure, written_blocks
from .support import AwsError, patch

MOST = 10_000
TOKEN_LIFE = timedelta(days=7)

# Snapshots do not change once they are complete: what was found out about them stays true.
_listings = {}  # snapshot id -> indexes of its written blocks
_changes = {}  # (first id, second id) -> indexes of the blocks in which they differ
_listings_lock = threading.Lock()
_token_key = os.urandom(32)


def readable(response, snapshot_id):
    """The snapshot, if it is there, shared with the caller, complete, and its key is the caller's to use."""
    account, region = response.current_account, response.region
    try:
        snapshot = find_snapshot(region, snapshot_id, account)
    except EC2ClientError as reason:
        raise AwsError("ResourceNotFoundException", reason.message)
    if snapshot.status != "completed":
        raise AwsError("ValidationException", f"The snapshot '{snapshot_id}' is not completed: {snapshot.status}.")
    key = find_key(snapshot.kms_key_id, snapshot.owner_id, region) if snapshot.encrypted else None
    if snapshot.encrypted and not permitted(key, account, region, TO_READ_BLOCKS):
        raise AwsError("AccessDeniedException", f"You do not have access to the key of snapshot '{snapshot_id}'.")
    return snapshot


def listed_blocks(snapshot_id):
    with _listings_lock:
        if snapshot_id not in _listings:
            _listings[snapshot_id] = written_blocks(snapshot_id)
        return _listings[snapshot_id]


def read_block(snapshot_id, index):
    with open(disk_images.snapshot_file(snapshot_id), "rb") as image:
        return os.pread(image.fileno(), BLOCK, index * BLOCK).ljust(BLOCK, b"\0")


def block_token(snapshot_id, index):
    """Only a listing gives it out: blocks that hold nothing have none."""
    return base64.b64encode(hmac.digest(_token_key, f"{snapshot_id}/{index}".encode(), "sha256")).decode()


def checksum(data):
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def page(response, indexes):
    """(indexes of this page, next token). The token is the index to go on with."""
    size = int(response._get_param("MaxResults") or MOST)
    if not 100 <= size <= MOST:
        raise AwsError("ValidationException", f"MaxResults {size} is not between 100 and {MOST}.")
    token = response._get_param("NextToken")
    start = int(token if token else response._get_param("StartingBlockIndex") or 0)
    rest = [index for index in indexes if index >= start]
    return rest[:size], str(rest[size]) if len(rest) > size else None


def listing(snapshot, name, blocks, next_token):
    return ActionResult(
        {
            name: blocks,
            "ExpiryTime": datetime.now(timezone.utc) + TOKEN_LIFE,
            "VolumeSize": int(snapshot.volume_size),
            "BlockSize": BLOCK,
            "NextToken": next_token,
        }
    )


def list_snapshot_blocks(_original, self):
    snapshot = readable(self, self._get_param("SnapshotId"))
    indexes, next_token = page(self, listed_blocks(snapshot.id))
    blocks = [{"BlockIndex": index, "BlockToken": block_token(snapshot.id, index)} for index in indexes]
    return listing(snapshot, "Blocks", blocks, next_token)


def changed_blocks(first, second):
    """Blocks that differ; all written ones without a first snapshot."""
    if first is None:
        return listed_blocks(second.id)
    pair = first.id, second.id
    if pair not in _changes:
        either = set(listed_blocks(first.id)) | set(listed_blocks(second.id))
        _changes[pair] = sorted(
            index for index in either if read_block(first.id, index) != read_block(second.id, index)
        )
    return _changes[pair]


def list_changed_blocks(_original, self):
    second = readable(self, self._get_param("SecondSnapshotId"))
    first_id = self._get_param("FirstSnapshotId")
    first = readable(self, first_id) if first_id else None
    before = set(listed_blocks(first.id)) if first else set()
    after = set(listed_blocks(second.id))
    indexes, next_token = page(self, changed_blocks(first, second))
    blocks = []
    for index in indexes:
        block = {"BlockIndex": index}
        if index in before:
            block["FirstBlockToken"] = block_token(first.id, index)
        if index in after:
            block["SecondBlockToken"] = block_token(second.id, index)
        blocks.append(block)
    return listing(second, "ChangedBlocks", blocks, next_token)


def get_snapshot_block(_original, self):
    snapshot = readable(self, self._get_param("SnapshotId"))
    index = int(self._get_param("BlockIndex"))
    if self._get_param("BlockToken") != block_token(snapshot.id, index):
        raise AwsError("ValidationException", "The block token is not valid for this snapshot and block.")
    data = read_block(snapshot.id, index)
    return ActionResult(
        {"DataLength": BLOCK, "BlockData": data, "Checksum": checksum(data), "ChecksumAlgorithm": "SHA256"}
    )


# ---- writing: StartSnapshot, PutSnapshotBlock, CompleteSnapshot
# https://docs.aws.amazon.com/ebs/latest/userguide/writesnapshots.html


class Writing:
    """A snapshot that takes blocks: cancelled when it takes none for its timeout."""

    def __init__(self, snapshot, timeout_minutes):
        self.snapshot = snapshot
        self.digests = {}
        self._timeout = timeout_minutes * 60
        self._last = time.time()
        self._lock = threading.Lock()

    def put(self, index, data, digest):
        with self._lock:
            path = disk_images.snapshot_file(self.snapshot.id)
            with open(path, "r+b") as image:
                os.pwrite(image.fileno(), data, index * BLOCK)
            self.digests[index] = digest
            self._last = time.time()

    def check_time(self):
        if time.time() > self._last + self._timeout and self.snapshot.status == "pending":
            self.snapshot._failure = "The snapshot was cancelled: no block was written within its timeout."
            begin(self.snapshot, 0)

    def checksums(self):
        """Of all blocks, by index; the documentation leaves open whether their bytes or their base64 are joined."""
        ordered = [self.digests[index] for index in sorted(self.digests)]
        return {
            base64.b64encode(hashlib.sha256(b"".join(parts)).digest()).decode()
            for parts in (ordered, [base64.b64encode(one) for one in ordered])
        }


_writings = {}
_started = {}  # (account, Region, ClientToken) -> (parameters, answer)
_started_lock = threading.Lock()


def start_snapshot(_original, self):
    names = ("VolumeSize", "ParentSnapshotId", "Encrypted", "KmsKeyArn", "Description", "Timeout")
    asked = {name: self._get_param(name) for name in names}
    token = self._get_param("ClientToken")
    with _started_lock:
        known = _started.get((self.current_account, self.region, token)) if token else None
        if known and known[0] != asked:
            raise AwsError("ConflictException", "The client token was used before with different parameters.")
        if known is None:
            known = asked, begin_writing(self, asked)
            if token:
                _started[self.current_account, self.region, token] = known
    return ActionResult(known[1])


def begin_writing(response, asked):
    account, region = response.current_account, response.region
    timeout = int(asked["Timeout"] or 60)
    if not 10 <= timeout <= 4320:
        raise AwsError("ValidationException", f"Timeout {timeout} is not between 10 and 4320 minutes.")
    parent = readable(response, asked["ParentSnapshotId"]) if asked["ParentSnapshotId"] else None
    size = int(asked["VolumeSize"])
    if parent is not None and size < int(parent.volume_size):
        raise AwsError("ValidationException", f"VolumeSize {size} is smaller than the parent's {parent.volume_size}.")
    if parent is not None and parent.encrypted and (asked["Encrypted"] is not None or asked["KmsKeyArn"]):
        raise AwsError("ValidationException", "Encrypted and KmsKeyArn follow from an encrypted parent snapshot.")
    backend = ec2_backends[account][region]
    encrypted = bool(asked["Encrypted"] or asked["KmsKeyArn"] or getattr(backend, "ebs_encryption_by_default", False))
    key_arn = None
    if parent is not None and parent.encrypted:
        encrypted, key_arn = True, parent.kms_key_id
    elif encrypted:
        key_arn = asked["KmsKeyArn"] or backend.default_kms_key_id or ebs_default_key(account, region).arn
    if encrypted and not permitted(find_key(key_arn, account, region), account, region, TO_WRITE_BLOCKS):
        raise AwsError("AccessDeniedException", f"You do not have access to the key {key_arn}.")
    snapshot = Snapshot(
        backend,
        random_snapshot_id(),
        volume=CopiedVolume(size, encrypted, key_arn),
        description=asked["Description"] or "",
        encrypted=encrypted,
        kms_key_id=key_arn,
    )
    snapshot._size = size
    tags = response._get_param("Tags") or []
    snapshot.add_tags({tag["Key"]: tag["Value"] for tag in tags})
    path = disk_images.snapshot_file(snapshot.id)
    path.touch()
    if parent is not None and disk_images.snapshot_file(parent.id).exists():
        disk_images.copy(disk_images.snapshot_file(parent.id), path, size)
    os.truncate(path, size * disk_images.GIB)
    _writings[snapshot.id] = Writing(snapshot, timeout)
    backend.snapshots[snapshot.id] = snapshot
    answer = {
        "SnapshotId": snapshot.id,
        "OwnerId": account,
        "Status": "pending",
        "StartTime": snapshot.start_time,
        "VolumeSize": size,
        "BlockSize": BLOCK,
        "Tags": tags,
        "Description": snapshot.description,
        "ParentSnapshotId": parent.id if parent is not None else None,
        "KmsKeyArn": key_arn,
    }
    return {name: value for name, value in answer.items() if value is not None}


def writing_of(response):
    snapshot_id = response._get_param("SnapshotId")
    writing = _writings.get(snapshot_id)
    if writing is None or snapshot_id not in ec2_backends[response.current_account][response.region].snapshots:
        raise AwsError("ResourceNotFoundException", f"The snapshot '{snapshot_id}' does not exist.")
    writing.check_time()
    if writing.snapshot.status != "pending":
        raise AwsError(
            "ValidationException", f"The snapshot '{snapshot_id}' takes no more blocks: {writing.snapshot.status}."
        )
    return writing


def put_snapshot_block(_original, self):
    writing = writing_of(self)
    index = int(self._get_param("BlockIndex"))
    data = self._get_param("BlockData")
    data = data.read() if hasattr(data, "read") else data
    if self._get_param("ChecksumAlgorithm") != "SHA256":
        raise AwsError("ValidationException", "The checksum algorithm of a block is SHA256.")
    if len(data) != BLOCK or int(self._get_param("DataLength")) != BLOCK:
        raise AwsError("ValidationException", f"A block has {BLOCK} bytes, not {len(data)}.")
    if not 0 <= index < int(writing.snapshot.volume_size) * disk_images.GIB // BLOCK:
        raise AwsError("ValidationException", f"Block {index} lies outside of the volume.")
    digest = hashlib.sha256(data).digest()
    if base64.b64encode(digest).decode() != self._get_param("Checksum"):
        raise AwsError("ValidationException", "The checksum does not match the block data.")
    writing.put(index, data, digest)
    return ActionResult({"Checksum": self._get_param("Checksum"), "ChecksumAlgorithm": "SHA256"})


def complete_snapshot(_original, self):
    writing = writing_of(self)
    count = int(self._get_param("ChangedBlocksCount"))
    if count != len(writing.digests):
        raise AwsError("ValidationException", f"{len(writing.digests)} blocks were written, not {count}.")
    claimed = self._get_param("Checksum")
    if claimed and claimed not in writing.checksums():
        raise AwsError("ValidationException", "The checksum does not match those of the written blocks.")
    measure(writing.snapshot)
    begin(writing.snapshot, SNAPSHOT_SECONDS, "snapshots")
    return ActionResult({"Status": writing.snapshot.status})


patch(
    EBSResponse,
    list_snapshot_blocks=list_snapshot_blocks,
    list_changed_blocks=list_changed_blocks,
    get_snapshot_block=get_snapshot_block,
    start_snapshot=start_snapshot,
    put_snapshot_block=put_snapshot_block,
    complete_snapshot=complete_snapshot,
)
