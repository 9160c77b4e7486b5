"""What each call needs to be allowed: actions, resources and condition keys.

Source: Service Authorization Reference, one page a service
(https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html).
"""

from moto.iam.models import iam_backends

from .iam_ec2_requests import ec2, tags_of_resource
from .iam_keys import kms
from .iam_permissions import ARN_PARTITION, Needed, modelling, tag_context

# ---- services with few actions; each takes (action, parameters, place)


def without_resource(service, action):
    return [Needed(f"{service}:{action}", "*", {}, modelling())]


def dynamodb(action, parameters, place):
    def on(name, table):
        resource = table if str(table).startswith("arn:") else place.arn("dynamodb", f"table/{table}")
        return Needed(f"dynamodb:{name}", resource)

    if action == "TransactWriteItems":
        names = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem"}
        return [
            on(names.get(kind, "ConditionCheckItem"), request.get("TableName"))
            for item in parameters.get("TransactItems", [])
            for kind, request in item.items()
        ]
    if action in ("ListTables", "DescribeLimits"):
        return without_resource("dynamodb", action)
    if parameters.get("IndexName"):
        table = on(action, parameters.get("TableName"))
        return [Needed(table.action, f"{table.resource}/index/{parameters['IndexName']}")]
    if "TableName" in parameters:
        return [on(action, parameters["TableName"])]
    return [Needed(f"dynamodb:{action}")]


def sns(action, parameters, place):
    if action == "CreateTopic":
        return [Needed("sns:CreateTopic", place.arn("sns", parameters.get("Name", "*")))]
    if action.startswith("List") and "TopicArn" not in parameters:
        return without_resource("sns", action)
    target = parameters.get("TopicArn") or parameters.get("TargetArn") or parameters.get("ResourceArn")
    return [Needed(f"sns:{action}", target)]


SSM_WITHOUT_RESOURCE = {
    "CancelCommand",
    "DescribeInstanceInformation",
    "GetCommandInvocation",
    "ListCommandInvocations",
    "ListCommands",
    "ListDocuments",
}
SSM_DOCUMENT_ACTIONS = {
    "CreateDocument",
    "DeleteDocument",
    "DescribeDocument",
    "DescribeDocumentPermission",
    "GetDocument",
    "ListDocumentVersions",
    "ModifyDocumentPermission",
    "UpdateDocument",
    "UpdateDocumentDefaultVersion",
}


def document_arn(name, place):
    if name.startswith("arn:"):
        return name
    # AWS's own documents belong to no account.
    return place.arn("ssm", f"document/{name}", "" if name.startswith("AWS-") else None)


def ssm(action, parameters, place):
    if action == "SendCommand":
        return send_command(parameters, place)
    if action in SSM_WITHOUT_RESOURCE:
        return without_resource("ssm", action)
    name = parameters.get("Name") or parameters.get("DocumentName")
    if action in SSM_DOCUMENT_ACTIONS and name:
        return [Needed(f"ssm:{action}", document_arn(name, place))]
    return [Needed(f"ssm:{action}")]


def send_command(parameters, place):
    """The document and each instance; instances that are targeted by tag stand as `instance/*` (Systems Manager User
    Guide, "Setting up Run Command")."""
    wanted = [Needed("ssm:SendCommand", document_arn(parameters.get("DocumentName", ""), place), {}, modelling())]
    instances = parameters.get("InstanceIds") or []
    for instance in instances:
        tags = tags_of_resource(place, instance)
        context = {**tag_context(tags, "ssm:resourcetag"), **tag_context(tags, "aws:resourcetag")}
        wanted.append(
            Needed(
                "ssm:SendCommand",
                place.arn("ec2", f"instance/{instance}"),
                context,
                modelling("ssm:resourcetag/", "aws:resourcetag/"),
            )
        )
    if not instances:
        wanted.append(Needed("ssm:SendCommand", place.arn("ec2", "instance/*")))
    return wanted


def sts(action, _parameters, _place):
    # AssumeRole is decided in trust.py, with the role's trust policy; the others need no permission.
    if action in ("AssumeRole", "GetCallerIdentity", "GetSessionToken"):
        return []
    return [Needed(f"sts:{action}")]


IAM_RESOURCES = (
    ("RoleName", "role"),
    ("UserName", "user"),
    ("GroupName", "group"),
    ("InstanceProfileName", "instance-profile"),
)


def path_of(kind, name, place):
    """The path of a role or user that is there, which its ARN holds; None for another one."""
    backend = iam_backends[place.account][ARN_PARTITION]
    found = {"role": backend.roles, "user": backend.users}.get(kind, {})
    return next((one.path for one in list(found.values()) if one.name == name), None)


def iam(action, parameters, place):
    def on(resource):
        return [Needed(f"iam:{action}", f"arn:{ARN_PARTITION}:iam::{place.account}:{resource}")]

    if "PolicyArn" in parameters and action.endswith("Policy") and not action.startswith(("Attach", "Detach")):
        return [Needed(f"iam:{action}", parameters["PolicyArn"])]
    for parameter, kind in IAM_RESOURCES:
        if parameters.get(parameter):
            path = path_of(kind, parameters[parameter], place) or parameters.get("Path", "/")
            return on(f"{kind}{path}{parameters[parameter]}")
    if action.startswith("List"):
        return without_resource("iam", action)
    return [Needed(f"iam:{action}")]


def ebs(action, parameters, place):
    """The EBS direct APIs name snapshots as EC2 does. Use of the key is checked with the reading of the blocks."""
    if action == "StartSnapshot":
        return [Needed("ebs:StartSnapshot", f"arn:{ARN_PARTITION}:ec2:{place.region}::snapshot/*")]
    names = ("SnapshotId", "FirstSnapshotId", "SecondSnapshotId", "snapshotId", "secondSnapshotId", "firstSnapshotId")
    snapshots = sorted({parameters[name] for name in names if parameters.get(name)})
    return [
        Needed(
            f"ebs:{action}",
            f"arn:{ARN_PARTITION}:ec2:{place.region}::snapshot/{snapshot}",
            tag_context(tags_of_resource(place, snapshot), "aws:resourcetag"),
            modelling("aws:resourcetag/"),
        )
        for snapshot in snapshots
    ] or [Needed(f"ebs:{action}")]


def needed(service, action, parameters, place):
    """The permissions of a call to any service but S3, which has paths for actions (iam_s3_requests.py)."""
    services = {
        "dynamodb": dynamodb,
        "ebs": ebs,
        "ec2": ec2,
        "iam": iam,
        "kms": kms,
        "sns": sns,
        "ssm": ssm,
        "sts": sts,
    }
    find = services.get(service)
    if find:
        return find(action, parameters, place)
    # moto tells the two generations of load balancers apart; IAM has one prefix for both.
    prefix = {"elb": "elasticloadbalancing", "elbv2": "elasticloadbalancing"}.get(service, service)
    return [Needed(f"{prefix}:{action}")]
