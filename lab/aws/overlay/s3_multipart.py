"""Multipart uploads: parts of any number and order, checked and listed with checksums, joined file to file.

moto joins the parts in memory, three times over, and forgets the bucket's default retention.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

import base64
import hashlib
import re
import xml.etree.ElementTree as ElementTree

from moto.core.responses import ActionResult
from moto.s3 import notifications
from moto.s3.exceptions import EntityTooSmall, InvalidPart, InvalidPartOrder, NoSuchUpload
from moto.s3.models import S3_UPLOAD_PART_MIN_SIZE
from moto.s3.responses import S3Response

from . import s3_conditions
from .s3_bodies import Body, contents
from .s3_checksums import COMPOSITE, MAKE, encoded, header_of, type_of_upload
from .support import AwsError, patch


def upload_of(response, upload_id):
    bucket = response.backend.get_bucket(response.bucket_name)
    upload = bucket.multiparts.get(upload_id)
    if upload is None or upload.key_name != response.parse_key_name():
        raise NoSuchUpload(upload_id=upload_id)
    return upload


def upload_part(_original, self):
    upload = upload_of(self, self._get_param("uploadId"))
    headers = self._get_cors_headers_other()
    asked = upload.checksum_asked
    algorithm, value = self._get_checksum(headers)
    if asked and algorithm != asked:
        if header_of(algorithm) in self.headers or header_of(algorithm) in self.trailers:
            raise AwsError(
                "InvalidRequest",
                f"Checksum Type mismatch occurred, expected checksum Type: {asked.lower()}, "
                f"actual checksum Type: {algorithm.lower()}",
            )
        headers.pop(header_of(algorithm), None)
        algorithm, value = asked, self.upload.checksum(asked)
        headers[header_of(algorithm)] = value
    part = store_part(upload, self._get_int_param("partNumber"), self.upload, algorithm, value)
    headers.update(part.response_dict)
    headers["content-length"] = "0"
    return 200, headers, ""


def store_part(upload, number, body, algorithm, value):
    if not 1 <= number <= 10000:
        raise AwsError("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
    part = upload.set_part(number, body)
    part.checksum_algorithm, part.checksum_value = algorithm, value
    return part


def checksum_views(key):
    """The checksum of an object or part, as answers name it."""
    if not key.checksum_value:
        return {}
    suffix = f"-{key.checksum_parts}" if key.checksum_type == COMPOSITE else ""
    views = {f"Checksum{key.checksum_algorithm}": key.checksum_value + suffix}
    return {**views, "ChecksumType": key.checksum_type} if key.checksum_type else views


def list_parts(_original, self):
    """Pages go by part number; moto counts positions, which loses parts where numbers are missing."""
    upload_id = self._get_param("uploadId")
    upload = upload_of(self, upload_id)
    marker = self._get_int_param("part-number-marker", 0)
    most = min(self._get_int_param("max-parts", 1000), 1000)
    numbers = [number for number in sorted(upload.parts) if number > marker]
    page = numbers[:most]
    parts = []
    for number in page:
        part = upload.parts[number]
        view = {"PartNumber": number, "LastModified": part.last_modified, "ETag": part.etag, "Size": part.size}
        parts.append({**view, **checksum_views(part)})
    answer = {
        "Bucket": self.bucket_name,
        "Key": upload.key_name,
        "UploadId": upload_id,
        "StorageClass": "STANDARD",
        "PartNumberMarker": str(marker),
        "MaxParts": most,
        "IsTruncated": len(numbers) > len(page),
        "Parts": parts,
    }
    # "When a list is truncated, this element specifies the last part in the list": paginators go on while it is there.
    if answer["IsTruncated"]:
        answer["NextPartNumberMarker"] = str(page[-1] if page else marker)
    if upload.checksum_asked:
        answer["ChecksumAlgorithm"], answer["ChecksumType"] = upload.checksum_asked, upload.checksum_type
    self.data["Action"] = "ListParts"
    return self.serialized(ActionResult(answer))


def post(original, self, request, body, bucket_name, query, key_name):
    if "uploads" in query:
        return create(original, self, request, body, bucket_name, query, key_name)
    if "uploadId" not in query:
        return original(self, request, body, bucket_name, query, key_name)
    self._set_action("KEY", "POST", query)
    self._authenticate_and_authorize_s3_action(bucket_name=bucket_name, key_name=key_name)
    return complete(self, query["uploadId"][0], body)


def create(original, self, request, body, bucket_name, query, key_name):
    """Retention counts from the start of the upload, as in S3: the request's own, or the bucket's default."""
    asked = request.headers.get("x-amz-checksum-algorithm", "").upper() or None
    if asked is not None and asked not in MAKE:
        raise AwsError("InvalidRequest", "Checksum algorithm provided is unsupported.")
    # Without one S3 sums up the whole object by CRC64NVME (userguide, "checking object integrity").
    algorithm = asked or "CRC64NVME"
    checksum_type = type_of_upload(algorithm, request.headers.get("x-amz-checksum-type"))
    answer = original(self, request, body, bucket_name, query, key_name)
    text = answer[2].decode() if isinstance(answer[2], bytes) else answer[2]
    upload_id = re.search("<UploadId>([^<]+)</UploadId>", text).group(1)
    bucket = self.backend.get_bucket(bucket_name)
    upload = bucket.multiparts[upload_id]
    upload.checksum_asked, upload.checksum_algorithm, upload.checksum_type = asked, algorithm, checksum_type
    upload.lock_details = self._get_lock_details(bucket, bucket.object_lock_enabled)
    upload.sse_encryption = request.headers.get("x-amz-server-side-encryption")
    return answer


def complete(response, upload_id, body):
    bucket = response.backend.get_bucket(response.bucket_name)
    key_name = response.parse_key_name()
    existing = response.backend.get_object(response.bucket_name, key_name)
    if upload_id not in bucket.multiparts and getattr(getattr(existing, "multipart", None), "id", None) == upload_id:
        return answer(response, existing)  # completing again is no error
    upload = upload_of(response, upload_id)
    parts = listed_parts(upload, body)
    whole = joined(parts, upload)
    checksum = checksum_of(upload, parts, whole)
    check_claims(response, upload, whole, checksum, len(parts))
    etags = hashlib.md5(b"".join(bytes.fromhex(part.etag.strip('"')) for part in parts))
    legal_hold, lock_mode, lock_until = upload.lock_details
    with s3_conditions.held(response):
        key = response.backend.put_object(
            response.bucket_name,
            key_name,
            whole,
            storage=upload.storage,
            etag=f"{etags.hexdigest()}-{len(parts)}",
            multipart=upload,
            encryption=upload.sse_encryption,
            kms_key_id=upload.kms_key_id,
            lock_mode=lock_mode,
            lock_legal_status=legal_hold,
            lock_until=lock_until,
            disable_notification=True,
        )
        bucket.multiparts.pop(upload_id, None)
    key.set_metadata(upload.metadata)
    key.part_sizes = [part.size for part in parts]
    key.checksum_algorithm, key.checksum_type = upload.checksum_algorithm, upload.checksum_type
    key.checksum_value, key.checksum_parts = checksum, len(parts)
    response.backend.put_object_tagging(key, upload.tags)
    key.set_acl(upload.acl or bucket.acl)
    for part in upload.parts.values():
        part._value_buffer.close()  # the bytes are in the object now
    event = notifications.S3NotificationEvent.OBJECT_CREATED_COMPLETE_MULTIPART_UPLOAD_EVENT
    notifications.send_event(response.backend.account_id, event, bucket, key)
    return answer(response, key)


def joined(parts, upload):
    whole = Body([upload.checksum_algorithm] if upload.checksum_type != COMPOSITE else [], with_md5=False)
    for part in parts:
        whole.write_all(contents(part, 0, part.size))
    return whole


def checksum_of(upload, parts, whole):
    """COMPOSITE: the digest of the parts' digests. FULL_OBJECT: of all bytes."""
    if upload.checksum_type != COMPOSITE:
        return whole.checksum(upload.checksum_algorithm)
    digest = MAKE[upload.checksum_algorithm]()
    for part in parts:
        digest.update(base64.b64decode(part.checksum_value))
    return encoded(digest)


def check_claims(response, upload, whole, checksum, count):
    """What the request says of the object as a whole."""
    claimed = response.headers.get(header_of(upload.checksum_algorithm))
    own = f"{checksum}-{count}" if upload.checksum_type == COMPOSITE else checksum
    if claimed and claimed not in (checksum, own):
        raise AwsError(
            "BadDigest", f"The {upload.checksum_algorithm} you specified did not match the calculated checksum."
        )
    size = response.headers.get("x-amz-mp-object-size")
    if size is not None and int(size) != whole.size:
        raise AwsError("InvalidRequest", f"The provided object size {size} does not match that of the parts.")


def listed_parts(upload, body):
    """The parts that the request names, in its order, which must be ascending; all but the last of 5 MiB or more."""
    parts, before = [], 0
    for element in ElementTree.fromstring(body).iter():
        if not element.tag.endswith("Part"):
            continue
        fields = {child.tag.rsplit("}", 1)[-1]: (child.text or "") for child in element}
        number = int(fields["PartNumber"])
        if number <= before:
            raise InvalidPartOrder()
        before = number
        part = upload.parts.get(number)
        if part is None or part.etag.strip('"') != fields.get("ETag", "").strip('"'):
            raise InvalidPart()
        claimed = [value for name, value in fields.items() if name.startswith("Checksum")]
        if claimed and part.checksum_value and claimed[0] != part.checksum_value:
            raise InvalidPart()
        if not claimed and upload.checksum_asked and upload.checksum_type == COMPOSITE:
            raise AwsError(
                "InvalidRequest",
                f"The upload was created using a {upload.checksum_asked.lower()} checksum. The complete request must "
                f"include the checksum for each part. It was missing for part {number} in the request.",
            )
        if parts and parts[-1].size < S3_UPLOAD_PART_MIN_SIZE:
            raise EntityTooSmall()
        parts.append(part)
    if not parts:
        raise AwsError("MalformedXML", "The XML you provided names no part.")
    return parts


def answer(response, key):
    result = {
        "Location": f"http://{response.bucket_name}.s3.amazonaws.com/{key.name}",
        "Bucket": response.bucket_name,
        "Key": key.name,
        "ETag": key.etag,
        **checksum_views(key),
    }
    response.data["Action"] = "CompleteMultipartUpload"
    status, headers, body = response.serialized(ActionResult(result))
    for name, value in key.response_dict.items():
        if name.startswith("x-amz-") and value is not None:
            headers[name] = value
    return status, headers, body


patch(S3Response, upload_part=upload_part, list_parts=list_parts, _key_response_post=post)
