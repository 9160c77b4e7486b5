"""The API actions of EBS snapshots, over overlay/snapshots.py: parameters in, answers out."""

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_block_store import generic_filter
from moto.ec2.responses import EC2Response

from .snapshots import all_snapshots, not_found, visible
from .support import patch


def modify_snapshot_attribute(_original, self):
    """EC2 takes the accounts in two forms: OperationType + UserIds, or CreateVolumePermission.Add / Remove."""
    snapshot_id = self._get_param("SnapshotId")
    operation = self._get_param("OperationType")
    users, groups = self._get_param("UserIds", []), self._get_param("GroupNames", [])
    changes = {"add": ([], []), "remove": ([], [])}
    if operation in changes:
        changes[operation] = (list(users), list(groups))
    permission = self._get_param("CreateVolumePermission", {})
    for name in changes:
        for item in permission.get(name.capitalize(), []):
            if "UserId" in item:
                changes[name][0].append(item["UserId"])
            if "Group" in item:
                changes[name][1].append(item["Group"])
    if not any(users or groups for users, groups in changes.values()):
        raise EC2ClientError("MissingParameter", "The request must contain the accounts to add or to remove.")
    self.error_on_dryrun()
    if any(changes["add"]):
        self.ec2_backend.add_create_volume_permission(snapshot_id, *changes["add"])
    if any(changes["remove"]):
        self.ec2_backend.remove_create_volume_permission(snapshot_id, *changes["remove"])
    return EmptyResult()


def create_snapshots_action(_original, self):
    self.error_on_dryrun()
    specification = dict(self._get_param("InstanceSpecification", {}))
    specification["CopyTagsFromSource"] = self._get_param("CopyTagsFromSource")
    tags = self._parse_tag_specification().get("snapshot", {})
    taken = self.ec2_backend.create_snapshots(specification, self._get_param("Description", ""), tags)
    return ActionResult({"Snapshots": taken})


def copy_snapshot_action(_original, self):
    self.error_on_dryrun()
    copied = self.ec2_backend.copy_snapshot(
        self._get_param("SourceSnapshotId"),
        self._get_param("SourceRegion"),
        self._get_param("Description"),
        self._get_param("KmsKeyId"),
        self._get_bool_param("Encrypted", False),
    )
    copied.add_tags(self._parse_tag_specification().get("snapshot", {}))
    return ActionResult({"SnapshotId": copied.id, "Tags": copied.tag_set})


def describe_snapshots_action(_original, self):
    """Own and shared snapshots, by owner and by restorable-by, in pages. moto knows its own account's only."""
    account = self.current_account
    wanted = self._get_param("SnapshotIds", [])
    owners = [account if owner == "self" else owner for owner in self._get_param("OwnerIds", [])]
    found = [snapshot for snapshot in all_snapshots(self.region) if visible(snapshot, account)]
    missing = set(wanted) - {snapshot.id for snapshot in found}
    if missing:
        raise not_found(min(missing))
    if wanted:
        found = [snapshot for snapshot in found if snapshot.id in wanted]
    if owners:
        found = [snapshot for snapshot in found if snapshot.owner_id in owners]
    found = generic_filter(self._filters_from_querystring(), found)
    size = 0 if wanted else int(self._get_param("MaxResults") or 0)
    start = int(self._get_param("NextToken") or 0)
    page = found[start : start + size] if size else found
    answer = {"Snapshots": page}
    if size and start + size < len(found):
        answer["NextToken"] = str(start + size)
    return ActionResult(answer)


def describe_snapshot_attribute(original, self):
    """Only its owner may read who a snapshot is shared with."""
    snapshot_id = self._get_param("SnapshotId")
    if snapshot_id not in self.ec2_backend.snapshots:
        raise not_found(snapshot_id)
    return original(self)


patch(
    EC2Response,
    create_snapshots=create_snapshots_action,
    copy_snapshot=copy_snapshot_action,
    describe_snapshots=describe_snapshots_action,
    describe_snapshot_attribute=describe_snapshot_attribute,
    modify_snapshot_attribute=modify_snapshot_attribute,
)
