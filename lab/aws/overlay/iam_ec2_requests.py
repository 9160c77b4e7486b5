"""The permissions of EC2's actions: each resource that an action touches, the tags it brings and finds.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
An id of `*` stands for a resource that the call makes.
"""

from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends

from .iam_permissions import ARN_PARTITION, TAG_KEYS, Needed, modelling, request_tags, tag_context

NEW = "*"
# Resources whose ARN names no account.
WITHOUT_ACCOUNT = {"image", "snapshot"}
MODELLED = modelling(
    *TAG_KEYS,
    "ec2:resourcetag/",
    "ec2:region",
    "ec2:createaction",
    "ec2:attribute",
    "ec2:attribute/",
    "ec2:add/",
    "ec2:remove/",
)
KINDS_BY_PREFIX = {
    "i": "instance",
    "vol": "volume",
    "snap": "snapshot",
    "ami": "image",
    "sg": "security-group",
    "eni": "network-interface",
    "subnet": "subnet",
    "vpc": "vpc",
    "eipalloc": "elastic-ip",
    "acl": "network-acl",
    "rtb": "route-table",
    "igw": "internet-gateway",
    "sgr": "security-group-rule",
    "vpce": "vpc-endpoint",
}


def backend_of(place):
    return ec2_backends[place.account][place.region]


def tags_of_resource(place, resource_id):
    return dict(backend_of(place).tags.get(resource_id, {}))


def arn_of(place, kind, resource_id, region=None):
    return place.arn("ec2", f"{kind}/{resource_id}", "" if kind in WITHOUT_ACCOUNT else None, region)


def instance_volumes(place, instance_id):
    """(device, volume id) of what is attached to an instance; nothing for one that is not there."""
    for reservation in list(backend_of(place).reservations.values()):
        for instance in reservation.instances:
            if instance.id == instance_id:
                return [(device, mapping.volume_id) for device, mapping in instance.get_block_device_mapping]
    return []


def listed(parameters, *names):
    found = []
    for name in names:
        value = parameters.get(name)
        found += value if isinstance(value, list) else [value] if value else []
    return found


def tags_by_kind(parameters):
    tags = {}
    for specification in parameters.get("TagSpecifications") or []:
        given = {tag["Key"]: tag.get("Value", "") for tag in specification.get("Tags") or []}
        tags.setdefault(specification.get("ResourceType"), {}).update(given)
    return tags


# ---- which resources: each function gives (kind, id) pairs


def snapshots_of_instance(parameters, place):
    specification = parameters.get("InstanceSpecification") or {}
    instance = specification.get("InstanceId", NEW)
    excluded = set(specification.get("ExcludeDataVolumeIds") or [])
    volumes = [volume for _, volume in instance_volumes(place, instance) if volume not in excluded]
    return [("instance", instance), *(("volume", volume) for volume in volumes), ("snapshot", NEW)]


def modified_instance(parameters, place):
    instance = parameters.get("InstanceId", NEW)
    devices = {mapping.get("DeviceName") for mapping in parameters.get("BlockDeviceMappings") or []}
    volumes = [volume for device, volume in instance_volumes(place, instance) if device in devices]
    groups = listed(parameters, "Groups")
    return [("instance", instance), *(("volume", one) for one in volumes), *(("security-group", one) for one in groups)]


def launched(parameters, place):
    found = [("instance", NEW), ("image", parameters.get("ImageId", NEW)), ("volume", NEW), ("network-interface", NEW)]
    subnets, groups = listed(parameters, "SubnetId"), listed(parameters, "SecurityGroupIds")
    for interface in parameters.get("NetworkInterfaces") or []:
        subnets += listed(interface, "SubnetId")
        groups += listed(interface, "Groups")
    if parameters.get("KeyName"):
        found.append(("key-pair", parameters["KeyName"]))
    return found + [("subnet", one) for one in subnets] + [("security-group", one) for one in groups]


def copied_snapshot(parameters, _place):
    # The source is authorized too since 2024 (AWS Storage Blog, "Enhancing resource-level permissions for copying EBS
    # snapshots").
    return [("snapshot", parameters.get("SourceSnapshotId", NEW)), ("snapshot", NEW)]


def new_volume(parameters, _place):
    source = listed(parameters, "SnapshotId")
    return [("volume", NEW), *(("snapshot", one) for one in source)]


def named(**kinds):
    """Resources that parameters name: named(InstanceId="instance") and so on; a missing one is left out."""

    def find(parameters, _place):
        return [(kind, one) for name, kind in kinds.items() for one in listed(parameters, name)]

    return find


def tagged(parameters, _place):
    found = []
    for resource in listed(parameters, "Resources"):
        kind = KINDS_BY_PREFIX.get(resource.rsplit("-", 1)[0])
        found.append((kind, resource))
    return found


def instance_of_association(parameters, place):
    asked = parameters.get("AssociationId")
    known = list(backend_of(place).iam_instance_profile_associations.values())
    return [("instance", next((one.instance_id for one in known if one.association_id == asked), NEW))]


def new(kind, **kinds):
    def find(parameters, place):
        return [(kind, NEW), *named(**kinds)(parameters, place)]

    return find


RESOURCES = {
    "AssociateIamInstanceProfile": named(InstanceId="instance"),
    "AssociateAddress": named(InstanceId="instance", AllocationId="elastic-ip", NetworkInterfaceId="network-interface"),
    "AttachVolume": named(InstanceId="instance", VolumeId="volume"),
    "AuthorizeSecurityGroupEgress": named(GroupId="security-group"),
    "AuthorizeSecurityGroupIngress": named(GroupId="security-group"),
    "CopySnapshot": copied_snapshot,
    "CreateSecurityGroup": new("security-group", VpcId="vpc"),
    "CreateSnapshot": new("snapshot", VolumeId="volume"),
    "CreateSnapshots": snapshots_of_instance,
    "CreateTags": tagged,
    "CreateVolume": new_volume,
    "DeleteSecurityGroup": named(GroupId="security-group"),
    "DeleteSnapshot": named(SnapshotId="snapshot"),
    "DeleteTags": tagged,
    "DeleteVolume": named(VolumeId="volume"),
    "DescribeInstanceAttribute": named(InstanceId="instance"),
    "DescribeSnapshotAttribute": named(SnapshotId="snapshot"),
    "DescribeVolumeAttribute": named(VolumeId="volume"),
    "DetachVolume": named(InstanceId="instance", VolumeId="volume"),
    "GetConsoleOutput": named(InstanceId="instance"),
    "LockSnapshot": named(SnapshotId="snapshot"),
    "ModifyInstanceAttribute": modified_instance,
    "ModifyInstanceMetadataOptions": named(InstanceId="instance"),
    "ModifyNetworkInterfaceAttribute": named(NetworkInterfaceId="network-interface", Groups="security-group"),
    "ModifySnapshotAttribute": named(SnapshotId="snapshot"),
    "RebootInstances": named(InstanceIds="instance"),
    "ReplaceIamInstanceProfileAssociation": instance_of_association,
    "RevokeSecurityGroupEgress": named(GroupId="security-group"),
    "RevokeSecurityGroupIngress": named(GroupId="security-group"),
    "RunInstances": launched,
    "StartInstances": named(InstanceIds="instance"),
    "StopInstances": named(InstanceIds="instance"),
    "TerminateInstances": named(InstanceIds="instance"),
    "UnlockSnapshot": named(SnapshotId="snapshot"),
}
# Attributes that ModifyInstanceAttribute sets, as parameters name them.
ATTRIBUTES = (
    "BlockDeviceMappings",
    "DisableApiStop",
    "DisableApiTermination",
    "EbsOptimized",
    "EnaSupport",
    "Groups",
    "InstanceInitiatedShutdownBehavior",
    "InstanceType",
    "Kernel",
    "Ramdisk",
    "SourceDestCheck",
    "SriovNetSupport",
    "UserData",
)


def attribute_context(action, parameters):
    """`ec2:Attribute`, and the accounts that a snapshot is shared with or taken from."""
    if action == "ModifyInstanceAttribute":
        return instance_attribute(parameters)
    if action == "ModifySnapshotAttribute":
        return sharing(parameters)
    return {}


def instance_attribute(parameters):
    name = next((one for one in ATTRIBUTES if parameters.get(one) is not None), parameters.get("Attribute"))
    if name is None:
        return {}
    value = parameters.get(name, parameters.get("Value"))
    value = value.get("Value") if isinstance(value, dict) else value
    # As the API's parameters are called: BlockDeviceMapping.N, GroupId.N.
    name = {"BlockDeviceMappings": "BlockDeviceMapping", "Groups": "GroupId"}.get(name, name)
    context = {"ec2:attribute": (name,)}
    if isinstance(value, (str, bool)):
        context[f"ec2:attribute/{name.lower()}"] = (str(value).lower() if isinstance(value, bool) else value,)
    return context


def sharing(parameters):
    changes = {"add": ([], []), "remove": ([], [])}
    operation = parameters.get("OperationType")
    if operation in changes:
        changes[operation][0].extend(listed(parameters, "UserIds"))
        changes[operation][1].extend(listed(parameters, "GroupNames"))
    for name, items in (parameters.get("CreateVolumePermission") or {}).items():
        for item in items or []:
            users, groups = changes.get(name.lower(), ([], []))
            users.extend(listed(item, "UserId"))
            groups.extend(listed(item, "Group"))
    context = {}
    for name, (users, groups) in changes.items():
        if users:
            context[f"ec2:{name}/userid"] = tuple(users)
        if groups:
            context[f"ec2:{name}/group"] = tuple(groups)
    return context


def ec2(action, parameters, place):
    common = {"ec2:region": (place.region,), **attribute_context(action, parameters)}
    find = RESOURCES.get(action)
    if find is None:
        if action.startswith("Describe"):
            return [Needed(f"ec2:{action}", "*", common, MODELLED)]
        return [Needed(f"ec2:{action}")]
    tags = tags_by_kind(parameters)
    if action in ("CreateTags", "DeleteTags"):
        given = {tag["Key"]: tag.get("Value") or "" for tag in parameters.get("Tags") or []}
        tags = {kind: given for kind in set(KINDS_BY_PREFIX.values())}
    wanted = [
        permission(f"ec2:{action}", place, kind, one, parameters, {**common, **request_tags(tags.get(kind))})
        for kind, one in find(parameters, place)
    ]
    if action not in ("CreateTags", "DeleteTags"):
        creating = {**common, "ec2:createaction": (action,)}
        wanted += [
            permission("ec2:CreateTags", place, kind, NEW, parameters, {**creating, **request_tags(given)})
            for kind, given in tags.items()
        ]
    if action in ("RunInstances", "AssociateIamInstanceProfile", "ReplaceIamInstanceProfileAssociation"):
        wanted += passed_roles(parameters, place)
    return wanted or [Needed(f"ec2:{action}")]


def permission(action, place, kind, resource_id, parameters, context):
    if kind is None:  # an id of a kind that this table lacks
        return Needed(action)
    region = parameters.get("SourceRegion") if kind == "snapshot" and resource_id != NEW else None
    own = {} if resource_id == NEW else tags_of_resource(place, resource_id)
    found = {**tag_context(own, "aws:resourcetag"), **tag_context(own, "ec2:resourcetag")}
    return Needed(action, arn_of(place, kind, resource_id, region), {**context, **found}, MODELLED)


def passed_roles(parameters, place):
    """Who gives an instance a profile passes the profile's role to EC2."""
    profile = parameters.get("IamInstanceProfile") or {}
    name = profile.get("Name") or (profile.get("Arn") or "").rsplit("/", 1)[-1]
    if not name:
        return []
    profiles = list(iam_backends[place.account][ARN_PARTITION].instance_profiles.values())
    context = {"iam:passedtoservice": ("ec2.amazonaws.com",)}
    return [
        Needed("iam:PassRole", role.arn, context, modelling("iam:passedtoservice"))
        for found in profiles
        if found.name == name
        for role in found.roles
    ]
