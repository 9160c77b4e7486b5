"""RegisterImage keeps the disks, root device and architecture that it is given; moto keeps the name only."""

from moto.core.responses import ActionResult
from moto.ec2.models.amis import Ami
from moto.ec2.responses import EC2Response

from .snapshots import find_snapshot
from .support import patch


def register_image(_original, self):
    self.error_on_dryrun()
    devices = [dict(mapping) for mapping in self._get_param("BlockDeviceMappings", [])]
    for mapping in devices:
        ebs = dict(mapping.get("Ebs", {}))
        if ebs.get("SnapshotId"):
            snapshot = find_snapshot(self.region, ebs["SnapshotId"], self.current_account)
            ebs.setdefault("VolumeSize", int(snapshot.volume_size))
        mapping["Ebs"] = ebs
    image = self.ec2_backend.register_image(self._get_param("Name"), self._get_param("Description", ""))
    image.root_device_name = self._get_param("RootDeviceName") or image.root_device_name
    image.architecture = self._get_param("Architecture") or "x86_64"
    image.virtualization_type = self._get_param("VirtualizationType") or "hvm"
    image.root_device_type = "ebs"
    image.registered_devices = devices
    image.add_tags(self._parse_tag_specification().get("image", {}))
    return ActionResult({"ImageId": image.id})


moto_mappings = Ami.block_device_mappings.fget
Ami.block_device_mappings = property(
    lambda image: getattr(image, "registered_devices", None) or moto_mappings(image)
)
patch(EC2Response, register_image=register_image)
