"""Public IPv4 addresses that Amazon assigns, as against Elastic IP addresses.

moto says of both that the account owns them, and ignores AssociatePublicIpAddress of ModifyNetworkInterfaceAttribute,
by which an assigned address is taken away (EC2 API reference). Of an Elastic IP address that was associated with a
network interface it does not tell the instance.
"""

from moto.ec2.models.elastic_ip_addresses import ElasticAddress
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.responses.elastic_network_interfaces import ElasticNetworkInterfaces

from .support import AwsError, patch

association_of_moto = NetworkInterface.association.fget


def is_elastic(interface):
    return bool(interface.ec2_backend.address_by_ip([interface.public_ip], fail_if_not_found=False))


def association(interface):
    found = association_of_moto(interface)
    if found and not is_elastic(interface):
        found["ipOwnerId"] = "amazon"
    return found


def instance_id(address):
    instance = address.instance or getattr(address.eni, "instance", None)
    return instance.id if instance else ""


def filter_value(original, self, filter_name, method_name=None):
    if filter_name == "instance-id":
        return self.instance_id or None
    return original(self, filter_name, method_name)


def modify_attribute(original, self):
    wanted = self._get_param("AssociatePublicIpAddress")
    if wanted is None:
        return original(self)
    interface = self.ec2_backend.get_network_interface(self._get_param("NetworkInterfaceId"))
    if interface.public_ip and is_elastic(interface):
        raise AwsError(
            "InvalidParameterCombination",
            f"The network interface '{interface.id}' has an Elastic IP address, which this attribute does not change",
        )
    interface.public_ip_auto_assign = str(wanted).lower() == "true"
    interface.public_ip = None
    interface.check_auto_public_ip()
    return original(self)


NetworkInterface.association = property(association)
ElasticAddress.instance_id = property(instance_id)
patch(ElasticAddress, get_filter_value=filter_value)
patch(ElasticNetworkInterfaces, modify_network_interface_attribute=modify_attribute)
