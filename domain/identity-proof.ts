import { sha256 } from '@noble/hashes/sha2';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils';

/**
 * A request GetCallerIdentity to AWS STS, signed by a person (Signature Version 4) and not sent. Whoever sends it learns who signed
 * it, and nothing else can be done with it. What is decided stands in headers that are signed with it, so that a proof of
 * one decision is none of another. The idea is that of Vault's AWS login; source of the signature: IAM User Guide, "Create a signed
 * AWS API request".
 */
export interface IdentityProof {
  /** Where the request goes; only STS's own hosts are asked. */
  url: string;
  /** Lower-case names. */
  headers: Record<string, string>;
  body: string;
}

/** What a proof is bound to. */
export interface ProofBinding {
  caseId: string;
  checkpoint: string;
  verdict: string;
  planHash: string;
}

/** Who signed, as STS says. */
export interface ProvenIdentity {
  /** ARN of the user or of the session of an assumed role. */
  arn: string;
  accountId: string;
  /** SHA-256 (hexadecimal) of the signature: by it the proof is taken once only. */
  proofSha256: string;
}

export const PROOF_BODY = 'Action=GetCallerIdentity&Version=2011-06-15';
export const BINDING_HEADERS = {
  caseId: 'x-forensics-case',
  checkpoint: 'x-forensics-checkpoint',
  verdict: 'x-forensics-verdict',
  planHash: 'x-forensics-plan',
} as const satisfies Record<keyof ProofBinding, string>;
/** Headers beyond these are not passed on to STS. */
const PASSED_ON = new Set<string>([
  'authorization',
  'content-type',
  'host',
  'x-amz-content-sha256',
  'x-amz-date',
  'x-amz-security-token',
  ...Object.values(BINDING_HEADERS),
]);
const MUST_BE_SIGNED = ['host', 'x-amz-date', ...Object.values(BINDING_HEADERS)];
/** Regional, global and FIPS endpoints. Source: AWS General Reference, "AWS Security Token Service endpoints and quotas". */
const STS_HOST = /^sts(-fips)?(\.[a-z0-9-]+)?\.amazonaws\.com(\.cn)?$/;
/** AWS itself refuses a signature that is older than five minutes. Milliseconds. */
export const PROOF_LIFETIME = 5 * 60_000;
const LONGEST = 8_192;

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=[\w./+=-]+\/\d{8}\/[a-z0-9-]+\/sts\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/;

const isText = (value: unknown): value is string => typeof value === 'string' && value.length <= LONGEST;

/** Reads what a person sent as a proof: the proof, or the sentence that tells what is wrong with it. */
export function readIdentityProof(given: unknown): IdentityProof | string {
  const expected = 'proof must be what `forensics approve --prove` makes: {url, headers, body}';
  if (typeof given !== 'object' || given === null) return expected;
  const { url, headers, body } = given as Record<string, unknown>;
  if (!isText(url) || typeof headers !== 'object' || headers === null || !isText(body)) return expected;
  const entries = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value as unknown] as const);
  if (entries.length > 20 || !entries.every((entry): entry is readonly [string, string] => isText(entry[1])))
    return expected;
  const known = entries.filter(([name]) => PASSED_ON.has(name));
  return { url, headers: Object.fromEntries(known), body };
}

/**
 * Why a proof cannot be that of this decision, before STS is asked; undefined when it can.
 * @param endpoint `scheme://host:port` of STS where the worker is configured with one of its own
 * @param now milliseconds since 1970
 */
export function proofProblem(
  proof: IdentityProof,
  binding: ProofBinding,
  { endpoint, now }: { endpoint?: string; now: number },
): string | undefined {
  const { headers, body, url } = proof;
  const host = hostOf(url);
  const isSts = host !== undefined && url.startsWith('https://') && STS_HOST.test(host);
  if (!isSts && (endpoint === undefined || url.replace(/\/$/, '') !== endpoint.replace(/\/$/, '')))
    return 'the proof is not addressed to an endpoint of AWS STS: nothing was sent there';
  if (headers.host !== host) return 'the proof was signed for another host than it is addressed to';
  if (body !== PROOF_BODY) return 'the proof is not a request GetCallerIdentity';
  const signedHeaders = AUTHORIZATION.exec(headers.authorization ?? '')?.[1]?.split(';');
  if (!signedHeaders) return 'the proof carries no Signature Version 4 for STS';
  const unsigned = MUST_BE_SIGNED.filter((name) => !signedHeaders.includes(name));
  if (unsigned.length > 0) return `the signature of the proof does not cover ${unsigned.join(', ')}`;
  for (const [field, header] of Object.entries(BINDING_HEADERS) as [keyof ProofBinding, string][]) {
    if (headers[header] !== binding[field])
      return `the proof was made for another decision: its ${field} is not ${binding[field]}`;
  }
  const signedAt = timeOf(headers['x-amz-date'] ?? '');
  if (Number.isNaN(signedAt)) return 'the proof does not say when it was signed';
  if (Math.abs(now - signedAt) > PROOF_LIFETIME)
    return `the proof was signed at ${new Date(signedAt).toISOString()}: it is taken within five minutes only, decide again`;
  return undefined;
}

/** SHA-256 (hexadecimal) of the signature. */
export const proofSha256 = ({ headers }: IdentityProof): string =>
  bytesToHex(sha256(utf8ToBytes(AUTHORIZATION.exec(headers.authorization ?? '')?.[2] ?? '')));

/**
 * The person behind an ARN, as far as it can be told: two sessions of one role count as one, since whoever may assume the role
 * chooses the session's name. Sessions of IAM Identity Center's roles carry the user's own name, which nobody chooses.
 * Source: IAM User Guide, "IAM identifiers"; IAM Identity Center User Guide, "Referencing permission sets".
 */
export function personOf(arn: string): string {
  const session = /^arn:([\w-]+):sts::(\d{12}):assumed-role\/([^/]+)\/(.+)$/.exec(arn);
  if (!session) return arn;
  const [, partition, account, role, name] = session;
  if (role?.startsWith('AWSReservedSSO_')) return `${name} by IAM Identity Center in account ${account}`;
  return `arn:${partition}:iam::${account}:role/${role}`;
}

function hostOf(url: string): string | undefined {
  // The workflow sandbox knows no URL parser of its own that all runtimes share; what STS needs is this and no more.
  return /^https?:\/\/([A-Za-z0-9.-]+(?::\d{1,5})?)\/?$/.exec(url)?.[1]?.toLowerCase();
}

/** `20261122T073000Z`; NaN for anything else. */
function timeOf(text: string): number {
  const parts = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/.exec(text);
  return parts ? Date.parse(`${parts.slice(1, 4).join('-')}T${parts.slice(4, 7).join(':')}Z`) : NaN;
}
