"""What the lab adds to moto, one concept a module."""


def install():
    """Apply every module to moto's classes. Order matters only where two modules wrap the same method."""
    from . import speed, calls, endpoints, iam_enforcement, trust, trust_policies, kms, kms_policies  # noqa: F401
    from . import snapshots, snapshot_actions, snapshot_locks, volumes, ebs_direct  # noqa: F401
    from . import instances, images_registered, network_interfaces, public_addresses, containment  # noqa: F401
    from . import s3_access, s3_public_access, s3_objects, s3_multipart, s3_copies, s3_locks  # noqa: F401
    from . import documents, ec2_tags, security_hub  # noqa: F401
