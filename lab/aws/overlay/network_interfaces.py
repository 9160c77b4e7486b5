"""Security groups belong to network interfaces; an instance shows those of its primary one.

moto keeps one list on the instance and one on each interface, and shows their union on every interface: a group that
isolation took away would still be shown, and the groups of a second interface could not be told from the first's.

Addresses, too: moto gives elastic addresses out of 127.0.0.0/8, public ones out of a range that is somebody's, and private
ones that a subnet keeps for itself.
"""

import ipaddress
import itertools
import random

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import elastic_ip_addresses, elastic_network_interfaces
from moto.ec2.models.elastic_network_interfaces import NetworkInterface, NetworkInterfaceBackend
from moto.ec2.models.instances import Instance, InstanceBackend
from moto.ec2.models.subnets import Subnet

from .support import patch

# What the lab's network is told of the changes between two of its looks.
KEPT_CHANGES = 8
# RFC 2544's range for benchmarks: routed nowhere, so that no public address of the lab is a real machine's.
PUBLIC_ADDRESSES = ipaddress.ip_network("198.18.0.0/15")
_next_public = itertools.count(10)


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
    changes = getattr(interface, "group_changes", [])
    entry = {"number": changes[-1]["number"] + 1 if changes else 1, "groups": [group.id for group in groups]}
    interface.group_changes = [*changes, entry][-KEPT_CHANGES:]


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


def public_address():
    """Each one once, until all have been given out."""
    return str(PUBLIC_ADDRESSES[next(_next_public) % PUBLIC_ADDRESSES.num_addresses])


def private_address(cidr=None, ipv6=False):
    """A random one, but none of the first four or the last, which AWS keeps ("Subnet CIDR blocks")."""
    if cidr is None or ipv6:
        return _moto_private_address(cidr, ipv6)
    network = ipaddress.ip_network(cidr)
    return str(network[random.randint(4, network.num_addresses - 2)])


_moto_private_address = elastic_network_interfaces.random_private_ip
elastic_network_interfaces.random_private_ip = private_address
elastic_network_interfaces.random_public_ip = public_address
elastic_ip_addresses.random_ip = public_address


def prepare_interfaces(original, self, nic_spec, private_ip=None, *others, **named):
    """Without a subnet of the launch's own, moto takes an address out of 10.0.0.0/8, whatever the subnet of the interface."""
    self.nics = {}
    primary = next((nic for nic in nic_spec if int(nic.get("DeviceIndex", 0)) == 0), {})
    stated = private_ip or self._get_private_ip_from_nic(primary)
    if self.subnet_id is None and stated is None and "NetworkInterfaceId" not in primary:
        asked = primary.get("SubnetId")
        zone = self._placement.zone
        subnet = self.ec2_backend.get_subnet(asked) if asked else self.ec2_backend.get_default_subnets().get(zone)
        if subnet is not None:
            stated = subnet.get_available_subnet_ip(instance=self)
    return original(self, nic_spec, stated, *others, **named)


def available_address(original, self, instance):
    try:
        return original(self, instance=instance)
    except StopIteration:
        raise EC2ClientError(
            "InsufficientFreeAddressesInSubnet",
            f"There are not enough free addresses in subnet '{self.id}' to satisfy the requested number of instances.",
        ) from None


patch(Instance, prep_nics=prepare_interfaces)
patch(Subnet, get_available_subnet_ip=available_address)
