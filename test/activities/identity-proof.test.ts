import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CreateTableCommand } from '@aws-sdk/client-dynamodb';
import { CreateAccessKeyCommand, CreateUserCommand } from '@aws-sdk/client-iam';
import { caseTableDefinition } from '../../activities/case-table';
import { createIdentityActivities } from '../../activities/identity-proof';
import { PROOF_LIFETIME, proofProblem, type IdentityProof, type ProofBinding } from '../../domain/identity-proof';
import { LAB_ACCOUNTS, LAB_REGION } from '../../lab/config';
import { proveIdentity } from '../../starters/identity-proof';
import { type ActivityLab, CASE_ID, failureOf, runActivity, startActivityLab } from './support';

let lab: ActivityLab;
let credentials: { accessKeyId: string; secretAccessKey: string };
let endpointBefore: string | undefined;

beforeAll(async () => {
  lab = await startActivityLab();
  endpointBefore = process.env.AWS_ENDPOINT_URL;
  process.env.AWS_ENDPOINT_URL = lab.aws.emulator.url;
  const { dynamodb, iam } = lab.aws.forensics;
  await dynamodb.send(new CreateTableCommand(caseTableDefinition(lab.config.caseTable)));
  await iam.send(new CreateUserCommand({ UserName: 'ann' }));
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: 'ann' }));
  credentials = { accessKeyId: AccessKey!.AccessKeyId!, secretAccessKey: AccessKey!.SecretAccessKey! };
  // From here on the emulator checks signatures.
  await lab.aws.lab.enforceIam(true);
});
afterAll(async () => {
  if (endpointBefore === undefined) delete process.env.AWS_ENDPOINT_URL;
  else process.env.AWS_ENDPOINT_URL = endpointBefore;
  await lab.stop();
});

const binding: ProofBinding = {
  caseId: CASE_ID,
  checkpoint: 'isolation',
  verdict: 'approve',
  planHash: 'a'.repeat(64),
};
const prove = (more: Partial<ProofBinding> = {}): Promise<IdentityProof> =>
  proveIdentity({ ...binding, ...more }, { endpoint: lab.aws.emulator.url, region: LAB_REGION, credentials });

/** The worker's own calls go unhindered; only what is sent to STS is judged. */
async function redeem(proof: IdentityProof, activityId = 'step-1', attempt = 1) {
  const activities = createIdentityActivities(lab);
  await lab.aws.lab.enforceIam(true);
  const { fetch } = globalThis;
  // STS is asked under enforcement; the note in the table, by this test's own credentials, is not.
  globalThis.fetch = async (...request) => {
    const answer = await fetch(...request);
    globalThis.fetch = fetch;
    await lab.aws.lab.enforceIam(false);
    return answer;
  };
  try {
    return await runActivity(
      (input: Parameters<typeof activities.redeemIdentityProof>[0]) => activities.redeemIdentityProof(input),
      { caseId: CASE_ID, proof, binding },
      { attempt, activityId },
    );
  } finally {
    globalThis.fetch = fetch;
  }
}

test('who signed is told by STS; a later attempt of the same step may ask again', async () => {
  const proof = await prove();
  const identity = await redeem(proof);
  expect(identity).toMatchObject({
    arn: `arn:aws:iam::${LAB_ACCOUNTS.forensics}:user/ann`,
    accountId: LAB_ACCOUNTS.forensics,
    proofSha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
  });
  expect(await redeem(proof, 'step-1', 2)).toEqual(identity);
});

test('a proof is taken once: replayed by another step it is refused', async () => {
  const proof = await prove();
  await redeem(proof);
  expect(await failureOf(redeem(proof, 'step-2'))).toMatchObject({
    type: 'ProofRefused',
    nonRetryable: true,
    message: expect.stringContaining('used before') as string,
  });
});

test('a proof of another decision is refused before STS is asked', async () => {
  for (const other of [
    { verdict: 'reject' },
    { caseId: 'another' },
    { checkpoint: 'acquisition' },
    { planHash: 'b'.repeat(64) },
  ])
    expect(await failureOf(redeem(await prove(other)))).toMatchObject({
      type: 'ProofRefused',
      message: expect.stringContaining('made for another decision') as string,
    });
});

test('a header changed after signing: STS refuses the signature', async () => {
  const proof = await prove({ verdict: 'reject' });
  const tampered = { ...proof, headers: { ...proof.headers, 'x-forensics-verdict': 'approve' } };
  expect(await failureOf(redeem(tampered))).toMatchObject({
    type: 'ProofRefused',
    message: expect.stringContaining('STS does not accept the proof') as string,
  });
});

test('credentials that are not somebody’s: STS refuses', async () => {
  credentials = { ...credentials, secretAccessKey: 'guessed' };
  const proof = await prove();
  expect(await failureOf(redeem(proof))).toMatchObject({ type: 'ProofRefused' });
});

test('nothing is sent to a host that is not STS', async () => {
  let asked = 0;
  const other = createServer((_, response) => {
    asked += 1;
    response.end(
      '<GetCallerIdentityResult><Arn>arn:aws:iam::1:user/root</Arn><Account>1</Account></GetCallerIdentityResult>',
    );
  });
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`;
  try {
    const proof = await prove();
    for (const elsewhere of [url, 'https://sts.amazonaws.com.evil.example/', 'http://sts.amazonaws.com/'])
      expect(await failureOf(redeem({ ...proof, url: elsewhere }))).toMatchObject({ type: 'ProofRefused' });
    expect(asked).toBe(0);
  } finally {
    other.close();
  }
});

test('proofs that prove nothing', async () => {
  const proof = await prove();
  const endpoint = lab.aws.emulator.url;
  const now = Date.now();
  const problem = (change: Partial<IdentityProof['headers']>, more: Partial<IdentityProof> = {}, at = now) =>
    proofProblem({ ...proof, ...more, headers: { ...proof.headers, ...change } as Record<string, string> }, binding, {
      endpoint,
      now: at,
    });
  expect(problem({})).toBeUndefined();
  expect(problem({}, {}, now + PROOF_LIFETIME + 60_000)).toContain('within five minutes');
  expect(problem({}, {}, now - PROOF_LIFETIME - 60_000)).toContain('within five minutes');
  expect(problem({}, { body: 'Action=GetSessionToken&Version=2011-06-15' })).toContain('GetCallerIdentity');
  expect(problem({ host: 'sts.amazonaws.com' })).toContain('another host');
  expect(problem({ authorization: '' })).toContain('no Signature Version 4');
  expect(
    problem({ authorization: proof.headers.authorization!.replace('x-forensics-verdict', 'x-forensics-other') }),
  ).toContain('does not cover x-forensics-verdict');
});
