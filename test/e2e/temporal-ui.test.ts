/** A person decides in the Temporal UI: through the HTTP API that its page calls, with what that page sends. */
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
  lab = await startTestLab({ ...DEFAULT_POLICY, acquisitionTag: 'never-set' });
});
afterAll(() => lab.stop());

test('approval by signal from the Temporal UI isolates the instance; nonsense and a stale plan change nothing', async () => {
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
  ]) {
    expect(await signalFromUi(lab.uiUrl, handle.workflowId, 'approve', nonsense)).toBe(200);
  }
  expect(
    await signalFromUi(lab.uiUrl, handle.workflowId, 'approve', {
      checkpoint: 'isolation',
      approver: 'ann',
      reason: 'seen',
      planHash: hash,
    }),
  ).toBe(200);

  const outcome = await outcomeOf(handle);
  expect(outcome.containment?.outcome).toBe('isolated');
  expect(outcome.decisions).toMatchObject([
    { checkpoint: 'isolation', verdict: 'approve', approver: 'ann', reason: 'seen', door: 'signal', planHash: hash },
  ]);
});
