import {
  GetCallerIdentityCommand,
  type ServiceInputTypes,
  type ServiceOutputTypes,
  STSClient,
  type STSClientConfig,
} from '@aws-sdk/client-sts';
import type { FinalizeRequestMiddleware } from '@smithy/types';
import { BINDING_HEADERS, type IdentityProof, PROOF_BODY, type ProofBinding } from '../domain/identity-proof';

/** The credentials could not sign; says which to give. */
export class ProofError extends Error {
  override readonly name = 'ProofError';
}

type Middleware = FinalizeRequestMiddleware<ServiceInputTypes, ServiceOutputTypes>;

/** What the SDK hands to its last middleware: the signed request. */
interface SignedRequest {
  protocol: string;
  hostname: string;
  port?: number;
  path: string;
  headers: Record<string, string>;
  body?: unknown;
}

/**
 * Signs, with the AWS credentials of whoever runs this (AWS_PROFILE, environment, SSO), that they are the one who decides this.
 * Nothing is sent to AWS.
 * @throws ProofError when there are no credentials
 */
export async function proveIdentity(binding: ProofBinding, settings: STSClientConfig = {}): Promise<IdentityProof> {
  const sts = new STSClient(settings);
  let signed: SignedRequest | undefined;
  const bindDecision: Middleware = (next) => (args) => {
    const request = args.request as SignedRequest;
    for (const [field, header] of Object.entries(BINDING_HEADERS))
      request.headers[header] = binding[field as keyof ProofBinding];
    // Some the SDK adds for its own ends; they would be signed with the rest, and are nobody's business.
    request.headers = Object.fromEntries(
      Object.entries(request.headers).filter(([name]) => !/^(amz-sdk-|x-amz-user-agent|user-agent)/i.test(name)),
    );
    return next(args);
  };
  const keepSignedRequest: Middleware = () => (args) => {
    signed = args.request as SignedRequest;
    return Promise.resolve({ response: {}, output: { $metadata: {} } });
  };
  const toMiddleware = 'httpSigningMiddleware';
  sts.middlewareStack.addRelativeTo(bindDecision, { relation: 'before', toMiddleware, name: 'bindDecision' });
  sts.middlewareStack.addRelativeTo(keepSignedRequest, { relation: 'after', toMiddleware, name: 'keepSignedRequest' });
  try {
    await sts.send(new GetCallerIdentityCommand({}));
  } catch (error) {
    throw new ProofError(
      `AWS credentials to prove who decides could not be used (${error instanceof Error ? error.message : String(error)}): ` +
        'sign in (e.g. aws sso login) and set AWS_PROFILE and AWS_REGION',
      { cause: error },
    );
  } finally {
    sts.destroy();
  }
  if (!signed) throw new ProofError('the AWS SDK signed nothing');
  const { protocol, hostname, port, headers } = signed;
  const host = port === undefined ? hostname : `${hostname}:${port}`;
  const named = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  return { url: `${protocol}//${host}/`, headers: { ...named, host }, body: PROOF_BODY };
}
