import type { S3Location } from '../evidence';
import { hexBinary, integer, type LinkedData, type LinkedNode } from './linked-data';

const SHA256 = /^[0-9a-f]{64}$/;

/** Size and digest of something, for the thing with this key. */
export function contentOf(
  graph: LinkedData,
  key: readonly string[],
  { sha256, sizeBytes }: { sha256?: string; sizeBytes?: number },
): LinkedNode {
  return graph.part('uco-observable:ContentDataFacet', key, {
    'uco-observable:sizeInBytes': sizeBytes === undefined ? undefined : integer(sizeBytes),
    'uco-observable:hash':
      sha256 === undefined || !SHA256.test(sha256)
        ? undefined
        : [
            graph.part('uco-types:Hash', [...key, sha256], {
              'uco-types:hashMethod': 'SHA256',
              'uco-types:hashValue': hexBinary(sha256),
            }),
          ],
  });
}

export const s3Address = ({ bucket, key }: S3Location): string =>
  `s3://${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`;

/** Where something is known by another name: in S3, at EC2, in CloudTrail, in the custody log. */
export const knownElsewhere = (graph: LinkedData, context: string, identifier: string): LinkedNode =>
  graph.part('uco-core:ExternalReference', [context, identifier], {
    'uco-core:definingContext': context,
    'uco-core:externalIdentifier': identifier,
  });

export const inS3 = (graph: LinkedData, location: S3Location): LinkedNode =>
  graph.part('uco-core:ExternalReference', ['s3', location.bucket, location.key, location.versionId ?? ''], {
    'uco-core:definingContext': location.versionId === undefined ? 'Amazon S3' : 'Amazon S3, version of the object',
    'uco-core:externalIdentifier': location.versionId,
    'uco-core:referenceURL': { '@type': 'xsd:anyURI', '@value': s3Address(location) },
  });
