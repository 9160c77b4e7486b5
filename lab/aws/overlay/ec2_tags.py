"""Tags of a resource by its id: moto matches every tag of the account against it, which a fleet of thousands feels."""

from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix

from .support import patch


def tags_of_resource(_original, self):
    if not self.id:
        return []
    kind = EC2_PREFIX_TO_RESOURCE.get(get_prefix(self.id), "")
    tags = self.ec2_backend.tags.get(self.id, {})
    return [{"resource_id": self.id, "key": key, "value": value, "resource_type": kind} for key, value in tags.items()]


patch(TaggedEC2Resource, get_tags=tags_of_resource)
