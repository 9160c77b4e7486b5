"""Public IPv4 addresses that Amazon assigns, as against Elastic IP addresses.

moto says of both that the account owns them, and ignores AssociatePublicIpAddress of ModifyNetworkInterfaceAttribute,
by which an assigned address is taken away (EC2 API reference).
"""

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
patch(ElasticNetworkInterfaces, modify_network_interface_attribute=modify_attribute)
