"""The permissions of S3's operations: buckets, objects, their locks, and the keys that encrypt them.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
"""

from urllib.parse import unquote

from moto.s3.models import s3_backends

from .iam_keys import key_permission
from .iam_permissions import ARN_PARTITION, Needed, modelling
from .kms import find_key

# Permissions that are not called as the operation is.
OBJECT_ACTIONS = {
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "GetObjectAttributes": "GetObjectAttributes",
    "HeadObject": "GetObject",
    "ListParts": "ListMultipartUploadParts",
    "PostObject": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
}
BUCKET_ACTIONS = {
    "HeadBucket": "ListBucket",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
}
BUCKET_CONFIGURATION = {
    "BucketCors": "BucketCORS",
    "BucketEncryption": "EncryptionConfiguration",
    "BucketLifecycleConfiguration": "LifecycleConfiguration",
    "BucketNotificationConfiguration": "BucketNotification",
    "BucketReplication": "ReplicationConfiguration",
    "ObjectLockConfiguration": "BucketObjectLockConfiguration",
    "PublicAccessBlock": "BucketPublicAccessBlock",
}
# Of a version that the request names, another permission is asked for.
VERSIONED = {"GetObject", "GetObjectAcl", "GetObjectAttributes", "GetObjectTagging", "DeleteObject", "PutObjectAcl"}
WRITES = {"PutObject", "CopyObject", "CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload"}
# Parts are encrypted under the upload's data key, which each of these calls has decrypted.
DECRYPTS = {"CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload"}
MODELLED = modelling(
    "s3:prefix",
    "s3:versionid",
    "s3:x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:object-lock-mode",
    "s3:object-lock-retain-until-date",
    "s3:object-lock-legal-hold",
)
# Headers that are condition keys of the same meaning.
HEADER_KEYS = {
    "x-amz-server-side-encryption": "s3:x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id": "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-object-lock-mode": "s3:object-lock-mode",
    "x-amz-object-lock-retain-until-date": "s3:object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold": "s3:object-lock-legal-hold",
}


def bucket_named(name):
    """(bucket, its account), or (None, None) for one that is not there."""
    place = s3_backends.bucket_accounts.get(name)
    if place is None:
        return None, None
    partition, account = place
    return s3_backends[account][partition].buckets.get(name), account


def text(policy):
    return policy.decode() if isinstance(policy, bytes) else policy or None


def on(action, bucket_name, key=None, context=None):
    bucket, owner = bucket_named(bucket_name)
    resource = f"arn:{ARN_PARTITION}:s3:::{bucket_name}" + (f"/{key}" if key else "")
    policy = text(getattr(bucket, "policy", None))
    return Needed(f"s3:{action}", resource, context or {}, MODELLED, owner=owner, resource_policy=policy)


def s3(operation, parameters, headers, place):
    """The permissions of an operation that s3_operations.py has told from method, path and query."""
    if operation == "ListBuckets":
        return [Needed("s3:ListAllMyBuckets", "*")]
    bucket, key = parameters.get("Bucket"), parameters.get("Key")
    if key and operation != "DeleteObjects":
        return object_permissions(operation, bucket, key, parameters, headers, place)
    if operation == "CreateBucket":
        # Judged as if the name were free: its owner and policy have no say, and S3 tells that it is taken.
        return [Needed("s3:CreateBucket", f"arn:{ARN_PARTITION}:s3:::{bucket}", {}, MODELLED)]
    if operation == "DeleteObjects":
        # Each key is judged by itself on AWS; here the action is.
        return [Needed("s3:DeleteObject")]
    action = BUCKET_ACTIONS.get(operation)
    if action is None:
        verb = next((verb for verb in ("Get", "Put", "Delete") if operation.startswith(verb)), "")
        subject = operation[len(verb) :]
        # Deleting a configuration takes the permission to put it; a bucket and its policy are deleted for real.
        if verb == "Delete" and subject in BUCKET_CONFIGURATION:
            verb = "Put"
        action = verb + BUCKET_CONFIGURATION.get(subject, subject)
    context = {"s3:prefix": (parameters["Prefix"],)} if "Prefix" in parameters else {}
    return [on(action, bucket, context=context)]


def object_permissions(operation, bucket, key, parameters, headers, place):
    action = OBJECT_ACTIONS.get(operation, operation)
    context = {name: (headers[header],) for header, name in HEADER_KEYS.items() if header in headers}
    if "VersionId" in parameters:
        context["s3:versionid"] = (parameters["VersionId"],)
        if action in VERSIONED:
            action = action.replace("Object", "ObjectVersion", 1)
    wanted = [on(action, bucket, key, context)]
    if operation in ("PutObject", "CopyObject", "CreateMultipartUpload"):
        if "x-amz-tagging" in headers:
            wanted.append(on("PutObjectTagging", bucket, key, context))
        if "x-amz-acl" in headers:
            wanted.append(on("PutObjectAcl", bucket, key, context))
        if "x-amz-object-lock-mode" in headers:
            wanted.append(on("PutObjectRetention", bucket, key, context))
        if "x-amz-object-lock-legal-hold" in headers:
            wanted.append(on("PutObjectLegalHold", bucket, key, context))
    source = copy_source(headers)
    if source is not None:
        from_bucket, from_key, version = source
        wanted.append(on("GetObjectVersion" if version else "GetObject", from_bucket, from_key))
        wanted += reading_key(from_bucket, from_key, version, place)
    if operation in WRITES:
        wanted += writing_key(operation, bucket, headers, place)
    elif operation == "GetObject" or (operation == "HeadObject" and "x-amz-checksum-mode" in headers):
        wanted += reading_key(bucket, key, parameters.get("VersionId"), place)
    return wanted


def copy_source(headers):
    source = headers.get("x-amz-copy-source")
    if not source:
        return None
    path, _, query = source.lstrip("/").partition("?")
    bucket, _, key = unquote(path).partition("/")
    return bucket, key, query.removeprefix("versionId=") or None


def writing_key(operation, bucket_name, headers, place):
    """Writing under a KMS key takes a data key of it; the header names the key, else the bucket's default does."""
    algorithm = headers.get("x-amz-server-side-encryption")
    reference = headers.get("x-amz-server-side-encryption-aws-kms-key-id")
    bucket, owner = bucket_named(bucket_name)
    if algorithm is None:
        rule = ((getattr(bucket, "encryption", None) or {}).get("Rule") or {}).get(
            "ApplyServerSideEncryptionByDefault"
        ) or {}
        algorithm, reference = rule.get("SSEAlgorithm"), rule.get("KMSMasterKeyID")
    if algorithm != "aws:kms":
        return []
    key = find_key(reference, owner or place.account, place.region) if reference else None
    if key is None:
        return []
    wanted = [key_permission("GenerateDataKey", key, place, via="s3")]
    if operation in DECRYPTS:
        wanted.append(key_permission("Decrypt", key, place, via="s3"))
    return wanted


def reading_key(bucket_name, key_name, version, place):
    bucket, owner = bucket_named(bucket_name)
    if bucket is None:
        return []
    found = bucket.keys.getlist(key_name) or []
    found = [one for one in found if version is None or str(getattr(one, "version_id", None)) == version]
    reference = getattr(found[-1], "kms_key_id", None) if found else None
    if found and reference is None and getattr(found[-1], "encryption", None) is None:
        rule = ((bucket.encryption or {}).get("Rule") or {}).get("ApplyServerSideEncryptionByDefault") or {}
        reference = rule.get("KMSMasterKeyID")
    key = find_key(reference, owner or place.account, place.region) if reference else None
    return [key_permission("Decrypt", key, place, via="s3")] if key is not None else []
