"""Instances: idempotent launches, protections, attributes one by one, disks of the image."""

import copy
import re
import threading
from contextvars import ContextVar
from datetime import datetime, timezone

from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import camelcase_to_underscores
from moto.ec2.exceptions import EC2ClientError, InvalidInstanceIdError
from moto.ec2.models.iam_instance_profile import IamInstanceProfileAssociationBackend
from moto.ec2.models.instances import Instance, InstanceBackend
from moto.ec2.responses import EC2Response
from moto.ec2.utils import parse_user_data

from . import instance_states  # noqa: F401 - states have to take time before the first instance is made
from .console import console_output
from .durations import INSTANCE_TERMINATE_SECONDS, when_arrived
from .support import patch
from .volumes import on_behalf_of_instance

_tokens = {}
_tokens_lock = threading.Lock()
_wanted_count = ContextVar("wanted_count", default=None)  # MaxCount of the RunInstances under way


def run_instances_action(original, self):
    token = self._get_param("ClientToken")
    if not token:
        return launch(original, self)
    key = (self.current_account, self.region, token)
    compared = ("ImageId", "InstanceType", "SubnetId", "MinCount", "MaxCount")
    asked = {name: self._get_param(name) for name in compared}
    with _tokens_lock:
        if key in _tokens:
            before, result = _tokens[key]
            if before != asked:
                raise EC2ClientError(
                    "IdempotentParameterMismatch", "The client token was used before with different parameters."
                )
            return ActionResult(result)
        result = launch(original, self)
        _tokens[key] = (asked, result.result)
        return result


def launch(original, self):
    image_id = self._get_param("ImageId")
    if image_id and not self._get_param("LaunchTemplate") and image_id not in self.ec2_backend.amis:
        raise EC2ClientError("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
    least, most = int(self._get_param("MinCount", 1)), int(self._get_param("MaxCount", 1))
    if not 1 <= least <= most:
        raise EC2ClientError(
            "InvalidParameterValue",
            f"Value ({least}) for parameter minCount is invalid. It must be from 1 to maxCount ({most}).",
        )
    # "Amazon EC2 launches the largest possible number of instances above MinCount": the lab has room for all.
    token = _wanted_count.set(most)
    try:
        result = original(self)
    finally:
        _wanted_count.reset(token)
    give_profile(self, result.result.instances)
    protected = self._get_bool_param("DisableApiTermination", False)
    for instance in result.result.instances:
        instance.disable_api_termination = protected
        instance.disable_api_stop = bool(instance.disable_api_stop)
        for interface in instance.nics.values():
            given = [nic.get("NetworkInterfaceId") for nic in self._get_param("NetworkInterfaces", [])]
            # An interface that the launch makes goes with its instance; one that was there before stays.
            if interface.id not in given:
                interface.delete_on_termination = True
    return result


def give_profile(response, launched):
    """moto gives the profile to the first instance of a launch only."""
    first, *others = launched
    if others and first.iam_instance_profile:
        for instance in others:
            response.ec2_backend.associate_iam_instance_profile(
                instance_id=instance.id, iam_instance_profile_arn=first.iam_instance_profile["Arn"]
            )


def run_instances(original, self, image_id, count, *rest, **options):
    with on_behalf_of_instance():
        return original(self, image_id, _wanted_count.get() or count, *rest, **options)


def block_device_mapping(original, self):
    """Disks of a launch: the image's, each replaced by the request's for the same device."""
    asked = original(self)
    image = self.ec2_backend.amis.get(self._get_param("ImageId"))
    registered = getattr(image, "registered_devices", None)
    root = image.root_device_name if image is not None else "/dev/sda1"
    devices = {}
    for mapping in registered or []:
        devices[mapping["DeviceName"]] = {"DeviceName": mapping["DeviceName"], "Ebs": dict(mapping.get("Ebs", {}))}
    for mapping in asked:
        given = {name: value for name, value in mapping["Ebs"].items() if value not in (None, False)}
        before = devices.get(mapping["DeviceName"], {}).get("Ebs", {})
        devices[mapping["DeviceName"]] = {**mapping, "Ebs": {**before, **given}}
    stated = {
        mapping.get("DeviceName"): mapping.get("Ebs", {}).get("DeleteOnTermination")
        for mapping in self._get_param("BlockDeviceMappings", [])
    }
    for device, mapping in devices.items():
        if device == root and stated.get(device) is None:
            mapping["Ebs"].setdefault("DeleteOnTermination", True)
        if stated.get(device) is not None:
            mapping["Ebs"]["DeleteOnTermination"] = stated[device]
        mapping.setdefault("NoDevice", None)
    return list(devices.values())


# ---- attributes

BOOLEANS = ("DisableApiTermination", "DisableApiStop", "SourceDestCheck", "EbsOptimized", "EnaSupport")
STRINGS = ("InstanceType", "InstanceInitiatedShutdownBehavior", "Kernel", "Ramdisk", "UserData")
LISTS = ("Groups", "BlockDeviceMappings")


def value_of(response, name):
    """A value comes as `Name.Value`; EC2 takes a bare `Name` too."""
    value = response._get_param(f"{name}.Value")
    bare = response._get_param(name)
    return bare if value is None and isinstance(bare, (str, bool)) else value


def modify_instance_attribute(original, self):
    """One attribute a call, as EC2 wants it. moto takes an unknown one for an empty list of security groups."""
    instance_id = self._get_param("InstanceId")
    instance = self.ec2_backend.get_instance(instance_id)
    given = {name: value for name in BOOLEANS + STRINGS if (value := value_of(self, name)) is not None}
    attributes = [*given, *(name for name in LISTS if self._get_param(name))]
    if len(attributes) > 1:
        named = ", ".join(name[0].lower() + name[1:] for name in attributes)
        raise EC2ClientError("InvalidParameterCombination", f"Fields for multiple attribute types specified: {named}")
    for name, value in given.items():
        if name in BOOLEANS:
            value = str(value).lower() == "true"
        elif name == "InstanceInitiatedShutdownBehavior" and value not in ("stop", "terminate"):
            raise EC2ClientError("InvalidParameterValue", f"Value ({value}) for parameter {name} is invalid.")
        elif name == "UserData":
            value = parse_user_data(value)
        self.error_on_dryrun()
        setattr(instance, camelcase_to_underscores(name), value)
        return EmptyResult()
    for mapping in self._get_param("BlockDeviceMappings", []):
        if mapping.get("DeviceName") not in instance.block_device_mapping:
            raise EC2ClientError(
                "InvalidInstanceAttributeValue", f"No device is currently mapped at {mapping.get('DeviceName')}"
            )
    if self._get_param("Groups") or self._get_param("BlockDeviceMappings") or self._get_param("Attribute"):
        return original(self)
    raise EC2ClientError("InvalidParameterCombination", "No attributes specified.")


# "Specify the instance ID in the form i-xxxxxxxx or i-xxxxxxxxxxxxxxxxx" (EC2 API Reference, error codes)
INSTANCE_ID = re.compile(r"i-([0-9a-f]{8}|[0-9a-f]{17})\Z", re.IGNORECASE)


def invalid_instance_id(original, self, instance_ids):
    """moto says of every id without an instance that it does not exist."""
    asked = [instance_ids] if isinstance(instance_ids, str) else instance_ids
    malformed = next((one for one in asked if not INSTANCE_ID.match(one)), None)
    if malformed is None:
        original(self, instance_ids)
    else:
        EC2ClientError.__init__(self, "InvalidInstanceID.Malformed", f'Invalid id: "{malformed}"')


def terminate_instances(original, self, instance_ids):
    """All or none: EC2 terminates nothing when one of the instances is protected. Terminating again is no error."""
    instances = self.get_multi_instances_by_id(instance_ids)
    for instance in instances:
        if instance.disable_api_termination:
            raise EC2ClientError(
                "OperationNotPermitted",
                f"The instance '{instance.id}' may not be terminated. Modify its 'disableApiTermination' instance "
                "attribute and try again.",
            )
    return original(self, instance_ids)


def terminate(original, self):
    """The instance shuts down first; its volumes and interfaces go at the end of that."""
    previous = copy.copy(self._state)
    if self.state in ("shutting-down", "terminated"):
        return previous
    self._state.name = "shutting-down"
    when_arrived(INSTANCE_TERMINATE_SECONDS, "instances", finish_termination, original, self)
    return previous


def finish_termination(original, self):
    interfaces = dict(self.nics)
    with on_behalf_of_instance():
        original(self)
    for index, interface in interfaces.items():
        if not interface.delete_on_termination and interface.id in self.ec2_backend.enis:
            self.detach_eni(interface)
        elif interface.id not in self.ec2_backend.enis:
            interface.instance = None
            self.nics.pop(index, None)


def stop_instances(original, self, instance_ids):
    for instance in self.get_multi_instances_by_id(instance_ids):
        if instance.state in ("pending", "shutting-down", "terminated"):
            raise EC2ClientError(
                "IncorrectInstanceState",
                f"This instance '{instance.id}' is not in a state from which it can be stopped.",
            )
    return original(self, instance_ids)


def start_instances(original, self, instance_ids):
    for instance in self.get_multi_instances_by_id(instance_ids):
        if instance.state in ("stopping", "shutting-down", "terminated"):
            raise EC2ClientError(
                "IncorrectInstanceState",
                f"The instance '{instance.id}' is not in a state from which it can be started.",
            )
    return original(self, instance_ids)


def get_console_output(_original, self):
    instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
    self.error_on_dryrun()
    output, written = console_output(instance.id)
    result = {"InstanceId": instance.id, "Timestamp": written or datetime.now(timezone.utc)}
    return ActionResult({**result, "Output": output} if output is not None else result)


def replace_profile(original, self, association_id, iam_instance_profile_name=None, iam_instance_profile_arn=None):
    """moto changes the association and leaves the instance showing its old profile."""
    association = original(self, association_id, iam_instance_profile_name, iam_instance_profile_arn)
    profile = association.iam_instance_profile
    association.instance.iam_instance_profile = {"Arn": profile.arn, "Id": profile.id}
    return association


patch(
    EC2Response,
    run_instances=run_instances_action,
    _parse_block_device_mapping=block_device_mapping,
    modify_instance_attribute=modify_instance_attribute,
    get_console_output=get_console_output,
)
patch(
    InstanceBackend,
    run_instances=run_instances,
    terminate_instances=terminate_instances,
    stop_instances=stop_instances,
    start_instances=start_instances,
)
patch(InvalidInstanceIdError, __init__=invalid_instance_id)
patch(Instance, terminate=terminate)
patch(IamInstanceProfileAssociationBackend, replace_iam_instance_profile_association=replace_profile)


def of_first_interface(name, without):
    """moto reads addresses from the first interface, which a terminated instance has no more."""
    original = getattr(Instance, name).fget
    return property(lambda instance: original(instance) if 0 in instance.nics else without)


for attribute in ("private_ip", "private_ip_address", "public_ip", "public_ip_address"):
    setattr(Instance, attribute, of_first_interface(attribute, None))
Instance.private_dns_name = of_first_interface("private_dns_name", "")
