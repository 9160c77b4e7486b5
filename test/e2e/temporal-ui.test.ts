/** A person decides in the Temporal UI: through the HTTP API that its page calls, with what that page sends. */
import { ScanCommand } from '@aws-sdk/client-dynamodb';
import { DEFAULT_POLICY } from '../../domain/policy';
import { outcomeOf, startTestLab, type TestLab, until } from './support';

jest.setTimeout(300_000);

/** Sends a signal as the page "Send a Signal" does: cross-site request token, one JSON payload. */
async function signalFromUi(uiUrl: string, workflowId: string, signal: string, payload: unknown): Promise<number> {
  const page = await fetch(`${uiUrl}/api/v1/settings`);
  const cookies = page.headers.getSetCookie().map((cookie) => cookie.split(';')[0] ?? '');
  const token = cookies.find((cookie) => cookie.startsWith('_csrf='))?.slice('_csrf='.length) ?? '';
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const answer = await fetch(
    `${uiUrl}/api/v1/namespaces/default/workflows/${encodeURIComponent(workflowId)}/signal/${signal}?`,
    {
      method: 'POST',
      headers: { cookie: cookies.join('; '), 'x-csrf-token': token, 'caller-type': 'operator' },
      body: JSON.stringify({
        signalName: signal,
        workflowExecution: { workflowId },
        input: { payloads: [{ metadata: { encoding: base64('json/plain') }, data: base64(JSON.stringify(payload)) }] },
      }),
    },
  );
  return answer.status;
}

let lab: TestLab;
beforeAll(async () => {
  const { checkpoints } = DEFAULT_POLICY;
  lab = await startTestLab({
    ...DEFAULT_POLICY,
    acquisitionTag: 'never-set',
    checkpoints: { ...checkpoints, isolation: { ...checkpoints.isolation, quorum: 2 } },
  });
});
afterAll(() => lab.stop());

test('two approvals by signal from the Temporal UI isolate the instance; nonsense, the opener and one person twice do not', async () => {
  // An instance without volumes and agent keeps this case short: the decision is what is tested.
  const suspect = await lab.launch({ volumes: [], tags: { 'lab:agent': 'none' } });
  const handle = await lab.openCase(suspect);
  const open = await until(
    handle,
    'the isolation checkpoint open',
    (now) => now.checkpoints.isolation.state === 'open',
  );
  const hash = open.plan!.hash;

  for (const nonsense of [
    'yes',
    42,
    { checkpoint: 'isolation' },
    { checkpoint: 'moon', approver: 'ann' },
    { checkpoint: 'isolation', approver: 'ann', planHash: '0'.repeat(64) },
    // Who opened the case.
    { checkpoint: 'isolation', approver: open.request.openedBy },
    // A proof as `forensics approve --prove` makes one, but of another place than STS.
    {
      checkpoint: 'isolation',
      approver: 'ann',
      proof: { url: 'https://sts.us-east-1.example.com/', headers: {}, body: 'Action=GetCallerIdentity' },
    },
  ]) {
    expect(await signalFromUi(lab.uiUrl, handle.workflowId, 'approve', nonsense)).toBe(200);
  }
  const approve = (approver: string): Promise<number> =>
    signalFromUi(lab.uiUrl, handle.workflowId, 'approve', {
      checkpoint: 'isolation',
      approver,
      reason: 'seen',
      planHash: hash,
    });
  expect(await approve('ann')).toBe(200);
  expect(await approve('Ann ')).toBe(200);
  await until(handle, 'one of two approvals', ({ checkpoints: { isolation } }) => {
    return isolation.state === 'open' && isolation.approvalsMissing === 1;
  });
  expect(await approve('bob')).toBe(200);

  const outcome = await outcomeOf(handle);
  expect(outcome.containment?.outcome).toBe('isolated');
  const taken = { checkpoint: 'isolation', verdict: 'approve', reason: 'seen', door: 'signal', planHash: hash };
  expect(outcome.decisions).toMatchObject([
    { ...taken, approver: 'ann' },
    { ...taken, approver: 'bob' },
  ]);

  // Nobody answers a signal: what it came to stands in the custody log.
  const { forensics, config } = lab.deployment;
  const table = await forensics.dynamodb.send(new ScanCommand({ TableName: config.caseTable, ConsistentRead: true }));
  const refused = (table.Items ?? []).filter(({ kind }) => kind?.S === 'decision-refused');
  const messages = refused.map(({ message }) => message?.S ?? '');
  expect(messages).toEqual(
    expect.arrayContaining([
      expect.stringContaining('opened the case and may not approve it'),
      expect.stringContaining('the same person counts once'),
      expect.stringContaining('the plan has changed'),
    ]),
  );
  expect(messages).toHaveLength(8);
});
