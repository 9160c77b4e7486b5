"""What AWS does around the containment of an instance and moto does not.

Stop protection is enforced; metadata options that a call does not name stay as they are; interfaces keep their connection
tracking timeouts; terminated instances have no profile any more; an instance enters standby from service only, and standby
takes it off the group's target groups.
"""

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import AutoScalingBackend
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.iam_instance_profile import IamInstanceProfileAssociationBackend
from moto.ec2.models.instances import InstanceBackend
from moto.ec2.responses.elastic_network_interfaces import ElasticNetworkInterfaces
from moto.elbv2.models import elbv2_backends

from .support import patch

# EC2 API Reference, ConnectionTrackingSpecificationRequest: least and most seconds of each timeout.
TIMEOUTS = {
    "TcpEstablishedTimeout": (60, 432_000),
    "UdpStreamTimeout": (60, 180),
    "UdpTimeout": (30, 60),
}


def stop_instances(original, self, instance_ids):
    for instance in self.get_multi_instances_by_id(instance_ids):
        if getattr(instance, "disable_api_stop", False):
            raise EC2ClientError(
                "OperationNotPermitted",
                f"The instance '{instance.id}' may not be stopped. Modify its 'disableApiStop' instance attribute and "
                "try again.",
            )
    return original(self, instance_ids)


def modify_metadata(original, self, instance_id, **wanted):
    """ "If not specified, the existing value is kept": moto sets it to nothing."""
    now = self.get_instance(instance_id).metadata_options
    kept = {
        "http_tokens": now.http_tokens,
        "hop_limit": now.http_put_response_hop_limit,
        "http_endpoint": now.http_endpoint,
        "http_protocol": now.http_protocol_ipv6,
        "metadata_tags": now.instance_metadata_tags,
    }
    return original(self, instance_id, **{name: wanted.get(name) or value for name, value in kept.items()})


def modify_interface(original, self):
    wanted = self._get_param("ConnectionTrackingSpecification")
    if not wanted:
        return original(self)
    interface = self.ec2_backend.get_network_interface(self._get_param("NetworkInterfaceId"))
    timeouts = {name: int(seconds) for name, seconds in wanted.items() if name in TIMEOUTS}
    for name, seconds in timeouts.items():
        least, most = TIMEOUTS[name]
        if not least <= seconds <= most:
            raise EC2ClientError(
                "InvalidParameterValue", f"Value ({seconds}) for parameter {name} is invalid: {least} to {most}"
            )
    interface.timeouts = {**getattr(interface, "timeouts", {}), **timeouts}
    return original(self)


NetworkInterface.connection_tracking_configuration = property(
    lambda interface: getattr(interface, "timeouts", None) or None
)


def describe_associations(original, self, *arguments, **named):
    for association in list(self.iam_instance_profile_associations.values()):
        if association.instance.state == "terminated":
            del self.iam_instance_profile_associations[association.instance_id]
    return original(self, *arguments, **named)


# ---- standby


def state_of(group, instance_id):
    return next((state for state in group.instance_states if state.instance.id == instance_id), None)


def check(group, instance_ids, wanted):
    for instance_id in instance_ids:
        state = state_of(group, instance_id)
        if state is None or state.lifecycle_state != wanted:
            raise ValidationError(f"The instance {instance_id} is not in {wanted}.")


def target_groups(backend, group):
    known = elbv2_backends[backend.account_id][backend.region_name].target_groups
    return [known[arn] for arn in group.target_group_arns if arn in known]


def enter_standby(original, self, group_name, instance_ids, should_decrement):
    group = self.autoscaling_groups[group_name]
    check(group, instance_ids, "InService")
    activities = original(self, group_name, instance_ids, should_decrement)
    for target_group in target_groups(self, group):
        registered = [{"Id": one} for one in instance_ids if one in target_group.targets]
        target_group.deregister(registered)
    return activities


def exit_standby(original, self, group_name, instance_ids):
    group = self.autoscaling_groups[group_name]
    check(group, instance_ids, "Standby")
    if group.desired_capacity + len(instance_ids) > group.max_size:
        raise ValidationError(
            f"New SetDesiredCapacity value {group.desired_capacity + len(instance_ids)} is above max value "
            f"{group.max_size} for the AutoScalingGroup."
        )
    activities = original(self, group_name, instance_ids)
    for target_group in target_groups(self, group):
        target_group.register([{"Id": one} for one in instance_ids if one not in target_group.targets])
    return activities


patch(InstanceBackend, stop_instances=stop_instances, modify_instance_metadata_options=modify_metadata)
patch(ElasticNetworkInterfaces, modify_network_interface_attribute=modify_interface)
patch(IamInstanceProfileAssociationBackend, describe_iam_instance_profile_associations=describe_associations)
patch(AutoScalingBackend, enter_standby_instances=enter_standby, exit_standby_instances=exit_standby)
