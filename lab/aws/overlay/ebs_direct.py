"""EBS direct APIs over the snapshot files: real blocks, real checksums, pages, shared snapshots.

https://docs.aws.amazon.com/ebs/latest/userguide/readsnapshots.html
"""

import base64
import hashlib
import os
import threading
import time
from datetime import datetime, timedelta, timezone

from moto.core.responses import ActionResult
from moto.ebs.models import EBSBackend
from moto.ebs.responses import EBSResponse
from moto.ec2.exceptions import EC2ClientError

from . import disk_images
from .kms import find_key, key_usable
from .snapshots import begin, find_snapshot
from .support import AwsError, patch

BLOCK = 512 * 1024
MOST = 10_000
TOKEN_LIFE = timedelta(days=7)

_listings = {}  # snapshot id -> indexes of its written blocks; snapshots do not change once they are complete
_listings_lock = threading.Lock()


def readable(response, snapshot_id):
    """The snapshot, if it is there, shared with the caller, complete, and its key is the caller's to use."""
    account, region = response.current_account, response.region
    try:
        snapshot = find_snapshot(region, snapshot_id, account)
    except EC2ClientError as reason:
        raise AwsError("ResourceNotFoundException", reason.message)
    if snapshot.status != "completed":
        raise AwsError("ValidationException", f"The snapshot '{snapshot_id}' is not completed: {snapshot.status}.")
    if snapshot.encrypted and not key_usable(find_key(snapshot.kms_key_id, snapshot.owner_id, region), account):
        raise AwsError("AccessDeniedException", f"You do not have access to the key of snapshot '{snapshot_id}'.")
    return snapshot


def written_blocks(snapshot_id):
    with _listings_lock:
        if snapshot_id not in _listings:
            _listings[snapshot_id] = list(scan(disk_images.snapshot_file(snapshot_id)))
        return _listings[snapshot_id]


def scan(path):
    """Indexes of the blocks that hold data, from the file system's map of the sparse file."""
    if not path.exists():
        return
    with open(path, "rb") as image:
        offset = 0
        while True:
            try:
                offset = os.lseek(image.fileno(), offset, os.SEEK_DATA)
            except OSError:
                return  # no more data
            yield offset // BLOCK
            offset = (offset // BLOCK + 1) * BLOCK


def read_block(snapshot_id, index):
    with open(disk_images.snapshot_file(snapshot_id), "rb") as image:
        return os.pread(image.fileno(), BLOCK, index * BLOCK).ljust(BLOCK, b"\0")


def block_token(snapshot_id, index):
    return base64.b64encode(hashlib.sha256(f"{snapshot_id}/{index}".encode()).digest()).decode()


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
    indexes, next_token = page(self, written_blocks(snapshot.id))
    blocks = [{"BlockIndex": index, "BlockToken": block_token(snapshot.id, index)} for index in indexes]
    return listing(snapshot, "Blocks", blocks, next_token)


def list_changed_blocks(_original, self):
    second = readable(self, self._get_param("SecondSnapshotId"))
    first_id = self._get_param("FirstSnapshotId")
    first = readable(self, first_id) if first_id else None
    before = set(written_blocks(first.id)) if first else set()
    after = set(written_blocks(second.id))
    changed = sorted(
        index
        for index in before | after
        if first is None or read_block(first.id, index) != read_block(second.id, index)
    )
    indexes, next_token = page(self, changed)
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


def start_snapshot(original, self, volume_size, tags, description):
    made = original(self, volume_size, tags, description or "")
    made.block_size = BLOCK
    begin(self.ec2_backend.snapshots[made.snapshot_id], float("inf"))  # until CompleteSnapshot
    return made


def own_pending(backend, snapshot_id):
    snapshot = backend.ec2_backend.snapshots.get(snapshot_id)
    if snapshot is None:
        raise AwsError("ResourceNotFoundException", f"The snapshot '{snapshot_id}' does not exist.")
    if snapshot.status != "pending":
        raise AwsError("ValidationException", f"The snapshot '{snapshot_id}' takes no more blocks: {snapshot.status}.")
    return snapshot


def put_snapshot_block(
    _original, self, snapshot_id, block_index, block_data, checksum, checksum_algorithm, data_length
):
    snapshot = own_pending(self, snapshot_id)
    data = block_data.read() if hasattr(block_data, "read") else block_data
    if len(data) != BLOCK:
        raise AwsError("ValidationException", f"A block has {BLOCK} bytes, not {len(data)}.")
    if base64.b64encode(hashlib.sha256(data).digest()).decode() != checksum:
        raise AwsError("ValidationException", "The checksum does not match the block data.")
    path = disk_images.snapshot_file(snapshot.id)
    path.touch()
    with open(path, "r+b") as image:
        os.pwrite(image.fileno(), data, int(block_index) * BLOCK)
    return checksum, checksum_algorithm


def complete_snapshot(_original, self, snapshot_id):
    snapshot = own_pending(self, snapshot_id)
    path = disk_images.snapshot_file(snapshot.id)
    path.touch()
    os.truncate(path, int(snapshot.volume_size) * disk_images.GIB)
    snapshot._began, snapshot._seconds = time.time(), 0
    return "completed"


patch(
    EBSResponse,
    list_snapshot_blocks=list_snapshot_blocks,
    list_changed_blocks=list_changed_blocks,
    get_snapshot_block=get_snapshot_block,
)
patch(
    EBSBackend,
    start_snapshot=start_snapshot,
    put_snapshot_block=put_snapshot_block,
    complete_snapshot=complete_snapshot,
)
