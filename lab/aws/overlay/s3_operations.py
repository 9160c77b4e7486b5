"""The API action of an S3 request: S3 names it nowhere, it follows from method, path and query."""

from urllib.parse import parse_qs, urlparse

OBJECT = {
    "GET": {
        "uploadId": "ListParts",
        "acl": "GetObjectAcl",
        "attributes": "GetObjectAttributes",
        "legal-hold": "GetObjectLegalHold",
        "retention": "GetObjectRetention",
        "tagging": "GetObjectTagging",
    },
    "PUT": {
        "uploadId": "UploadPart",
        "acl": "PutObjectAcl",
        "legal-hold": "PutObjectLegalHold",
        "retention": "PutObjectRetention",
        "tagging": "PutObjectTagging",
    },
    "POST": {"uploads": "CreateMultipartUpload", "uploadId": "CompleteMultipartUpload", "restore": "RestoreObject"},
    "DELETE": {"uploadId": "AbortMultipartUpload", "tagging": "DeleteObjectTagging"},
}
# Configuration of a bucket: the sub-resource in the query, and what the action is called after Get, Put or Delete.
BUCKET_CONFIGURATION = {
    "acl": "BucketAcl",
    "cors": "BucketCors",
    "encryption": "BucketEncryption",
    "lifecycle": "BucketLifecycleConfiguration",
    "location": "BucketLocation",
    "logging": "BucketLogging",
    "notification": "BucketNotificationConfiguration",
    "object-lock": "ObjectLockConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "policy": "BucketPolicy",
    "policyStatus": "BucketPolicyStatus",
    "publicAccessBlock": "PublicAccessBlock",
    "replication": "BucketReplication",
    "tagging": "BucketTagging",
    "versioning": "BucketVersioning",
    "website": "BucketWebsite",
}
RECORDED_HEADERS = {
    "x-amz-copy-source": "CopySource",
    "x-amz-expected-bucket-owner": "ExpectedBucketOwner",
    "x-amz-checksum-sha256": "ChecksumSHA256",
    "x-amz-object-lock-mode": "ObjectLockMode",
    "x-amz-object-lock-retain-until-date": "ObjectLockRetainUntilDate",
    "x-amz-object-lock-legal-hold": "ObjectLockLegalHoldStatus",
    "x-amz-server-side-encryption": "ServerSideEncryption",
    "x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "range": "Range",
}
RECORDED_QUERY = {"uploadId": "UploadId", "partNumber": "PartNumber", "versionId": "VersionId", "prefix": "Prefix"}


def operation_of(request, bucket, key):
    """(action, parameters) of a request. Parameters carry names as the SDK has them; a body is never among them."""
    query = parse_qs(urlparse(request.raw_url).query, keep_blank_values=True)
    copying = "x-amz-copy-source" in request.headers
    if not bucket:
        action = "ListBuckets"
    elif key:
        action = _object_action(request.method, query, copying)
    else:
        action = _bucket_action(request.method, query)
    parameters = {"Bucket": bucket, "Key": key}
    parameters.update({name: query[word][0] for word, name in RECORDED_QUERY.items() if word in query})
    headers = request.headers
    parameters.update({name: headers[word] for word, name in RECORDED_HEADERS.items() if word in headers})
    if request.content_length:
        parameters["ContentLength"] = request.content_length
    if "X-Amz-Signature" in query:
        parameters["Presigned"] = True
    return action, {name: value for name, value in parameters.items() if value not in (None, "")}


def _object_action(method, query, copying):
    for word, action in OBJECT.get(method, {}).items():
        if word in query:
            return "UploadPartCopy" if action == "UploadPart" and copying else action
    return "CopyObject" if method == "PUT" and copying else f"{method.capitalize()}Object"


def _bucket_action(method, query):
    if method == "HEAD":
        return "HeadBucket"
    if method == "POST":
        return "DeleteObjects" if "delete" in query else "PostObject"
    verb = method.capitalize()
    for word, subject in BUCKET_CONFIGURATION.items():
        if word in query:
            return verb + subject
    if method == "GET":
        if "uploads" in query:
            return "ListMultipartUploads"
        if "versions" in query:
            return "ListObjectVersions"
        return "ListObjectsV2" if query.get("list-type") == ["2"] else "ListObjects"
    return "CreateBucket" if method == "PUT" else f"{verb}Bucket"
