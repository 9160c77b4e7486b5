"""Multipart uploads: parts of any number and order, checked and listed with checksums, joined file to file.

moto joins the parts in memory, three times over, and forgets the bucket's default retention.
"""

import base64
import binascii
import hashlib
import re
import shutil
import tempfile
import xml.etree.ElementTree as ElementTree

from moto.core.responses import ActionResult
from moto.s3 import notifications
from moto.s3.exceptions import EntityTooSmall, InvalidPart, InvalidPartOrder, NoSuchUpload
from moto.s3.models import S3_UPLOAD_PART_MIN_SIZE
from moto.s3.responses import S3Response

from .s3_objects import PIECE
from .support import AwsError, patch


def upload_of(response, upload_id):
    bucket = response.backend.get_bucket(response.bucket_name)
    upload = bucket.multiparts.get(upload_id)
    if upload is None or upload.key_name != response.parse_key_name():
        raise NoSuchUpload(upload_id=upload_id)
    return upload


def upload_part(_original, self):
    number = self._get_int_param("partNumber")
    if not 1 <= number <= 10000:
        raise AwsError("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
    upload = upload_of(self, self._get_param("uploadId"))
    headers = self._get_cors_headers_other()
    algorithm, value = self._get_checksum(headers)
    part = upload.set_part(number, self.body or b"")
    part.checksum_algorithm, part.checksum_value = algorithm or None, value
    headers.update(part.response_dict)
    headers["content-length"] = "0"
    return 200, headers, ""


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
        if part.checksum_value:
            view[f"Checksum{part.checksum_algorithm}"] = part.checksum_value
        parts.append(view)
    self.data["Action"] = "ListParts"
    return self.serialized(
        ActionResult(
            {
                "Bucket": self.bucket_name,
                "Key": upload.key_name,
                "UploadId": upload_id,
                "StorageClass": "STANDARD",
                "PartNumberMarker": str(marker),
                "NextPartNumberMarker": str(page[-1] if page else 0),
                "MaxParts": most,
                "IsTruncated": len(numbers) > len(page),
                "Parts": parts,
                "ChecksumAlgorithm": upload.metadata.get("x-amz-checksum-algorithm"),
            }
        )
    )


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
    answer = original(self, request, body, bucket_name, query, key_name)
    text = answer[2].decode() if isinstance(answer[2], bytes) else answer[2]
    upload_id = re.search("<UploadId>([^<]+)</UploadId>", text).group(1)
    bucket = self.backend.get_bucket(bucket_name)
    upload = bucket.multiparts[upload_id]
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
    if response.headers.get("If-None-Match") == "*" and existing is not None:
        raise AwsError("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
    parts = listed_parts(upload, body)
    joined = tempfile.SpooledTemporaryFile(max_size=PIECE)
    digests = hashlib.md5()
    for part in parts:
        digests.update(bytes.fromhex(part.etag.strip('"')))
        with part.lock:
            part._value_buffer.seek(0)
            shutil.copyfileobj(part._value_buffer, joined, PIECE)
    legal_hold, lock_mode, lock_until = getattr(upload, "lock_details", (None, None, None))
    key = response.backend.put_object(
        response.bucket_name,
        key_name,
        b"",
        storage=upload.storage,
        etag=f"{digests.hexdigest()}-{len(parts)}",
        multipart=upload,
        encryption=upload.sse_encryption,
        kms_key_id=upload.kms_key_id,
        lock_mode=lock_mode,
        lock_legal_status=legal_hold,
        lock_until=lock_until,
        disable_notification=True,
    )
    key._value_buffer, key.contentsize = joined, sum(part.size for part in parts)
    key.set_metadata(upload.metadata)
    set_checksum(key, upload, parts)
    del bucket.multiparts[upload_id]
    response.backend.put_object_tagging(key, upload.tags)
    key.set_acl(upload.acl or bucket.acl)
    for part in upload.parts.values():
        part._value_buffer.close()  # the bytes are in the object now
    event = notifications.S3NotificationEvent.OBJECT_CREATED_COMPLETE_MULTIPART_UPLOAD_EVENT
    notifications.send_event(response.backend.account_id, event, bucket, key)
    return answer(response, key)


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
        if parts and parts[-1].size < S3_UPLOAD_PART_MIN_SIZE:
            raise EntityTooSmall()
        parts.append(part)
    if not parts:
        raise AwsError("MalformedXML", "The XML you provided names no part.")
    return parts


def set_checksum(key, upload, parts):
    """COMPOSITE: the digest of the parts' digests. FULL_OBJECT: the CRC32 of all bytes."""
    algorithm = (upload.metadata.get("x-amz-checksum-algorithm") or "").upper()
    if algorithm in ("SHA256", "SHA1"):
        make = hashlib.sha256 if algorithm == "SHA256" else hashlib.sha1
        whole = make()
        for part in parts:
            given = part.checksum_value if part.checksum_algorithm == algorithm else None
            whole.update(base64.b64decode(given) if given else digest_of(part, make))
        key.checksum_type, key.checksum_parts = "COMPOSITE", len(parts)
        key.checksum_value = base64.b64encode(whole.digest()).decode()
    elif algorithm == "CRC32" and upload.metadata.get("x-amz-checksum-type") == "FULL_OBJECT":
        crc = 0
        for piece in read(key._value_buffer):
            crc = binascii.crc32(piece, crc)
        key.checksum_type, key.checksum_parts = "FULL_OBJECT", 1
        key.checksum_value = base64.b64encode(crc.to_bytes(4, "big")).decode()
    else:
        return
    key.checksum_algorithm = algorithm


def digest_of(part, make):
    digest = make()
    with part.lock:
        for piece in read(part._value_buffer):
            digest.update(piece)
    return digest.digest()


def read(buffer):
    buffer.seek(0)
    while piece := buffer.read(PIECE):
        yield piece


def answer(response, key):
    result = {
        "Location": f"http://{response.bucket_name}.s3.amazonaws.com/{key.name}",
        "Bucket": response.bucket_name,
        "Key": key.name,
        "ETag": key.etag,
    }
    if key.checksum_value:
        suffix = f"-{key.checksum_parts}" if key.checksum_type == "COMPOSITE" else ""
        result[f"Checksum{key.checksum_algorithm}"] = key.checksum_value + suffix
        result["ChecksumType"] = key.checksum_type
    response.data["Action"] = "CompleteMultipartUpload"
    status, headers, body = response.serialized(ActionResult(result))
    for name, value in key.response_dict.items():
        if name.startswith("x-amz-") and value is not None:
            headers[name] = value
    return status, headers, body


patch(S3Response, upload_part=upload_part, list_parts=list_parts, _key_response_post=post)
