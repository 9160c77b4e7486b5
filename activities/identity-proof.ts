import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { ApplicationFailure } from '@temporalio/common';
import {
  type IdentityProof,
  type ProofBinding,
  proofProblem,
  proofSha256,
  type ProvenIdentity,
} from '../domain/identity-proof';
import type { FailureType } from '../workflows/contract/failures';
import type { AwsClients } from './aws/clients';
import { awsStep, currentActivity } from './aws/errors';
import type { ForensicsConfig } from './config';
import type { IdentityActivities } from './types';

const REFUSED: FailureType = 'ProofRefused';
const refused = (reason: string): ApplicationFailure => ApplicationFailure.nonRetryable(reason, REFUSED);
/** Milliseconds. */
const STS_ANSWERS_WITHIN = 20_000;

interface Parts {
  config: ForensicsConfig;
  clients: AwsClients;
}

/** Tells who decided, by a request that they signed and STS answers. */
export function createIdentityActivities(parts: Parts): IdentityActivities {
  return {
    async redeemIdentityProof({ proof, binding }) {
      const endpoint = process.env.AWS_ENDPOINT_URL_STS ?? process.env.AWS_ENDPOINT_URL;
      const problem = proofProblem(proof, binding, { ...(endpoint !== undefined && { endpoint }), now: Date.now() });
      if (problem !== undefined) throw refused(problem);
      const identity = await askSts(proof);
      await takeOnce(parts, binding, identity);
      return identity;
    },
  };
}

/** STS checks the signature; only who holds the secret key can have made it. */
async function askSts(proof: IdentityProof): Promise<ProvenIdentity> {
  const { host: _host, ...headers } = proof.headers;
  return awsStep('asking STS who signed the decision', async ({ abortSignal }) => {
    const timeout = AbortSignal.timeout(STS_ANSWERS_WITHIN);
    const answer = await fetch(proof.url, {
      method: 'POST',
      headers,
      body: proof.body,
      redirect: 'error',
      signal: abortSignal ? AbortSignal.any([abortSignal, timeout]) : timeout,
    });
    const text = await answer.text();
    if (answer.status >= 500 || answer.status === 429)
      throw ApplicationFailure.retryable(`STS answered ${answer.status}: it is asked again`, 'Unavailable');
    const [arn, accountId] = [element(text, 'Arn'), element(text, 'Account')];
    if (answer.ok && arn !== undefined && accountId !== undefined)
      return { arn, accountId, proofSha256: proofSha256(proof) };
    throw refused(
      `STS does not accept the proof (${element(text, 'Code') ?? answer.status}): the signature is wrong, too old, or its credentials have ended. Decide again`,
    );
  });
}

/** From the answer of STS itself, which is XML of a fixed shape (STS API Reference, GetCallerIdentity). */
const element = (xml: string, name: string): string | undefined =>
  new RegExp(`<${name}>([^<]{1,2048})</${name}>`).exec(xml)?.[1];

/** Whoever saw a proof could send it again: each is taken once. A later attempt of the same step is the same taking. */
async function takeOnce({ config, clients }: Parts, binding: ProofBinding, identity: ProvenIdentity): Promise<void> {
  const { info } = currentActivity() ?? {};
  const takenBy = `${info?.workflowExecution?.runId ?? ''}/${info?.activityId ?? ''}`;
  const put = new PutCommand({
    TableName: config.caseTable,
    Item: { PK: `PROOF#${identity.proofSha256}`, SK: 'PROOF', entity: 'proof', ...binding, arn: identity.arn, takenBy },
    ConditionExpression: 'attribute_not_exists(PK) OR takenBy = :takenBy',
    ExpressionAttributeValues: { ':takenBy': takenBy },
  });
  await awsStep('noting that the proof was taken', async (options) => {
    try {
      await clients.forensics().dynamo.send(put, options);
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException)
        throw refused('the proof was used before: each counts for one decision only, decide again');
      throw error;
    }
  });
}
