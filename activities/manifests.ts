import { GetObjectCommand, PutObjectCommand, S3Client, UploadPartCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { type Manifest, renderManifest } from '../domain/manifest';
import type { S3Location } from '../domain/evidence';
import { awsStep } from './aws/errors';

/** The first manifest's own URL travels in a command's parameters: it lives only until the agent must have fetched it. */
export const FIRST_MANIFEST_SECONDS = 900;

/** How long URLs live and how they are renewed; a test takes shorter times. */
export interface ManifestRenewal {
  /** Life of a pre-signed URL. */
  urlSeconds: number;
  /** A manifest with fresh URLs is written this often. */
  everyMs: number;
  /** Part URLs that one manifest holds. */
  parts: number;
}

export const MANIFEST_RENEWAL: ManifestRenewal = {
  // URLs signed by a chained role's session end with the session, after one hour at most. Source: STS, role chaining.
  urlSeconds: 3600,
  // A document looks every ten minutes, so that it holds URLs that are good for half an hour more.
  everyMs: 20 * 60_000,
  // A text of some 100 KB.
  parts: 64,
};

/**
 * The two manifests of a command. The first one is written once, before the command is sent. The other one is written
 * anew whenever URLs grow old or part URLs run short; `next` names it in both, so that a document always gets on.
 */
export type ManifestEdition = 'first' | 'renewed';

/** Where everything lies that is staged for or by one exhibit's command. */
export const stagingPrefix = (caseId: string, exhibitId: string, step: string): string =>
  `${caseId}/${exhibitId}/${step}`;

const manifestKey = (prefix: string, edition: ManifestEdition): string => `${prefix}/manifests/${edition}.txt`;

const signers = new WeakMap<S3Client, S3Client>();

/**
 * The client that signs: by default the SDK signs the checksum of the empty body that it sees now into every URL, and
 * S3 would refuse the real one. Same credentials, Region and endpoint; it never sends anything.
 */
function signerOf(s3: S3Client): S3Client {
  const known = signers.get(s3);
  if (known) return known;
  const { region, credentials, forcePathStyle, endpoint, isCustomEndpoint } = s3.config;
  const signer = new S3Client({
    region,
    credentials: (identity) => credentials(identity),
    forcePathStyle: forcePathStyle === true,
    ...(isCustomEndpoint === true && endpoint && { endpoint }),
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  signers.set(s3, signer);
  return signer;
}

/**
 * A URL dies with the credentials that signed it, and the SDK keeps those until five minutes before their end: here they
 * are renewed when they would not outlast the time that a document may hold a URL (half of a URL's life).
 */
async function renewCredentials(s3: S3Client, urlSeconds: number): Promise<void> {
  const { expiration } = await s3.config.credentials();
  if (expiration && expiration.getTime() - Date.now() < (urlSeconds / 2) * 1000) {
    await s3.config.credentials({ forceRefresh: true });
  }
}

/** Pre-signed access to one object. What comes out is a secret: it goes into a manifest or a command, nowhere else. */
export function presignGet(
  s3: S3Client,
  location: S3Location,
  seconds: number = MANIFEST_RENEWAL.urlSeconds,
): Promise<string> {
  const { bucket, key, versionId } = location;
  const command = new GetObjectCommand({ Bucket: bucket, Key: key, ...(versionId && { VersionId: versionId }) });
  return getSignedUrl(signerOf(s3), command, { expiresIn: seconds });
}

export function presignPut(s3: S3Client, bucket: string, key: string, seconds: number): Promise<string> {
  return getSignedUrl(signerOf(s3), new PutObjectCommand({ Bucket: bucket, Key: key }), { expiresIn: seconds });
}

export interface PlannedUpload {
  bucket: string;
  key: string;
  uploadId: string;
  partSizeBytes: number;
  partCount: number;
}

export interface PartsManifest {
  caseId: string;
  prefix: string;
  upload: PlannedUpload;
  /** Number of the first part that gets a URL; as many follow as a manifest holds. */
  firstPart: number;
  tools?: Manifest['tools'];
  /** Names of small outputs beside the upload, which are also their keys below the prefix. */
  outputs: readonly string[];
}

/** Writes a manifest of a multipart upload with fresh URLs for a window of its parts and for what goes with it. */
export async function publishPartsManifest(
  s3: S3Client,
  edition: ManifestEdition,
  { caseId, prefix, upload, firstPart, tools, outputs: names }: PartsManifest,
  renewal: ManifestRenewal = MANIFEST_RENEWAL,
): Promise<{ key: string }> {
  const { bucket, key: Key, uploadId: UploadId, partCount, partSizeBytes } = upload;
  await renewCredentials(s3, renewal.urlSeconds);
  const parts: { number: number; url: string }[] = [];
  for (let part = firstPart; part < firstPart + renewal.parts && part <= partCount; part += 1) {
    const command = new UploadPartCommand({ Bucket: bucket, Key, UploadId, PartNumber: part });
    parts.push({ number: part, url: await getSignedUrl(signerOf(s3), command, { expiresIn: renewal.urlSeconds }) });
  }
  const outputs = await presignOutputs(s3, bucket, prefix, names, renewal.urlSeconds);
  const next = await presignGet(s3, { bucket, key: manifestKey(prefix, 'renewed') }, renewal.urlSeconds);
  const manifest = { caseId, ...(tools && { tools }), partSize: partSizeBytes, parts, next, outputs };
  return writeManifest(s3, bucket, manifestKey(prefix, edition), manifest);
}

export interface ExaminationManifest {
  caseId: string;
  bucket: string;
  prefix: string;
  /** Names of outputs, which are also their keys below the prefix. */
  outputs: string[];
  inputs?: { name: string; sha256: string; sizeBytes: number; location: S3Location }[];
}

/** Writes a manifest of an examination with fresh URLs for all its outputs. */
export async function publishExaminationManifest(
  s3: S3Client,
  edition: ManifestEdition,
  examination: ExaminationManifest,
  { urlSeconds }: ManifestRenewal = MANIFEST_RENEWAL,
): Promise<{ key: string }> {
  const { caseId, bucket, prefix } = examination;
  await renewCredentials(s3, urlSeconds);
  const inputs = await Promise.all(
    (examination.inputs ?? []).map(async ({ location, ...input }) => ({
      ...input,
      url: await presignGet(s3, location, urlSeconds),
    })),
  );
  const outputs = await presignOutputs(s3, bucket, prefix, examination.outputs, urlSeconds);
  const next = await presignGet(s3, { bucket, key: manifestKey(prefix, 'renewed') }, urlSeconds);
  return writeManifest(s3, bucket, manifestKey(prefix, edition), { caseId, next, inputs, outputs });
}

function presignOutputs(
  s3: S3Client,
  bucket: string,
  prefix: string,
  names: readonly string[],
  seconds: number,
): Promise<{ name: string; url: string }[]> {
  return Promise.all(
    names.map(async (name) => ({ name, url: await presignPut(s3, bucket, `${prefix}/${name}`, seconds) })),
  );
}

async function writeManifest(s3: S3Client, bucket: string, key: string, manifest: Manifest): Promise<{ key: string }> {
  const text = renderManifest(manifest);
  await awsStep(`writing the manifest s3://${bucket}/${key}`, () =>
    s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: text, ContentType: 'text/plain; charset=utf-8' })),
  );
  return { key };
}
