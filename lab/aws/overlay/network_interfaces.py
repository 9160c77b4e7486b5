"""Security groups belong to network interfaces; an instance shows those of its primary one.

moto keeps one list on the instance and one on each interface, and shows their union on every interface: a group that
isolation took away would still be shown, and the groups of a second interface could not be told from the first's.
"""

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_network_interfaces import NetworkInterface, NetworkInterfaceBackend
from moto.ec2.models.instances import Instance, InstanceBackend

from .support import patch


def groups_of_ids(backend, group_ids):
    groups = []
    for group_id in group_ids:
        group = backend.get_security_group_from_id(group_id)
        if group is None:
            raise EC2ClientError("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist")
        groups.append(group)
    return groups


def check_same_vpc(interface, groups):
    for group in groups:
        if group.vpc_id != interface.subnet.vpc_id:
            raise EC2ClientError(
                "InvalidGroup.NotFound",
                f"The security group '{group.id}' does not exist in VPC '{interface.subnet.vpc_id}'",
            )


def set_groups(interface, groups):
    check_same_vpc(interface, groups)
    interface._group_set = list(groups)


def modify_interface(original, self, eni_id, group_ids, source_dest_check=None, description=None):
    interface = self.get_network_interface(eni_id)
    if group_ids:
        set_groups(interface, groups_of_ids(self, group_ids))
    original(self, eni_id, [], source_dest_check, description)


def modify_instance_groups(_original, self, instance_id, new_group_id_list):
    instance = self.get_instance(instance_id)
    if len(instance.nics) > 1:
        raise EC2ClientError(
            "InvalidInstanceID",
            f"There are multiple interfaces attached to instance '{instance_id}'. Please specify an interface ID for "
            "the operation instead.",
        )
    set_groups(instance.nics[min(instance.nics)], groups_of_ids(self, new_group_id_list))
    return instance


def instance_groups(instance):
    """Those of the primary interface; an instance launched without any has its VPC's default group there."""
    primary = getattr(instance, "nics", {}).get(0)
    return primary.group_set if primary is not None else instance._groups_of_launch


def set_instance_groups(instance, groups):
    instance._groups_of_launch = groups




NetworkInterface.group_set = property(lambda interface: list(interface._group_set))
Instance.security_groups = property(instance_groups, set_instance_groups)
patch(NetworkInterfaceBackend, modify_network_interface_attribute=modify_interface)
patch(InstanceBackend, modify_instance_security_groups=modify_instance_groups)
