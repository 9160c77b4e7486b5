import { setTimeout as sleep } from 'node:timers/promises';
import { GetCommandInvocationCommand, ListCommandsCommand } from '@aws-sdk/client-ssm';
import { ActivityCancellationDetails, ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import { followCommand } from '../../activities/command-following';
import { lastWords, readFailure, readResult } from '../../activities/command-output';
import { checkParameters, type DocumentParameters, sendCommandOnce } from '../../activities/commands';
import type { PublishedDocument } from '../../activities/config';
import type { StartedCommand } from '../../activities/types';
import { LAB_ACCOUNTS, LAB_REGION } from '../../lab/config';
import { activityEnvironment, type CommandLab, runActivity, scriptDocument, startCommandLab } from './command-lab';

const shape = z.object({ n: z.int() });

describe('what a document prints', () => {
  it('is its last result line', () => {
    expect(readResult('FORENSICS-RESULT {"n":1}\nnoise\nFORENSICS-RESULT {"n":2,"more":true}\n', shape)).toEqual({
      result: { n: 2 },
    });
  });

  it.each([
    ['nothing', /no result line/],
    ['FORENSICS-RESULT {"n":', /not JSON/],
    ['FORENSICS-RESULT {"n":"x"}', /not as agreed/],
    ['x'.repeat(24_000), /passed 24000 characters/],
  ])('without a sound result says so (%#)', (output, problem) => {
    expect(readResult(output, shape)).toMatchObject({ problem: expect.stringMatching(problem) });
  });

  it('is never a URL or a control character in a message', () => {
    const hostile = 'see https://b.s3.amazonaws.com/k?X-Amz-Signature=abc&x=1 \u001b[31mred\u202e X-Amz-Credential=AK';
    expect(lastWords(hostile)).toBe('see <URL withheld> [31mred <signature withheld>');
    expect(lastWords('x'.repeat(9_000)).length).toBeLessThan(2_000);
    expect(
      readFailure('FORENSICS-FAILURE no-space There is no room.\n', 'failed to run commands: exit status 1'),
    ).toEqual({
      code: 'no-space',
      sentence: 'There is no room.',
    });
  });
});

describe('parameters', () => {
  const good: DocumentParameters = { ManifestUrl: 'http://127.0.0.1:1/b/k?X=1', CaseId: 'i-1' };
  it.each([
    ['an undeclared one', { Secret: 'x' }],
    ['a shell’s own characters', { CaseId: "i-1'; reboot" }],
    ['a command substitution', { VolumeId: 'vol-$(id)' }],
    ['a substitution of the document', { Plugins: '{{ ManifestUrl }}' }],
    ['no URL', { ManifestUrl: 'file:///etc/shadow' }],
    ['a name from a prototype', { constructor: 'x' }],
  ])('with %s are refused, and their values not repeated', (_what, changes) => {
    const check = () => checkParameters('Doc', { ...good, ...(changes as object) });
    expect(check).toThrow(ApplicationFailure);
    const refusal = expect.objectContaining({ type: 'InvalidRequest', nonRetryable: true }) as ApplicationFailure;
    expect(check).toThrow(refusal);
    expect(check).not.toThrow(Object.values(changes)[0]);
  });

  it('of the agreed form pass', () => {
    expect(() => checkParameters('Doc', { ...good, VolumeId: 'vol-0123456789abcdef0' })).not.toThrow();
  });
});

describe('a command', () => {
  let lab: CommandLab;
  let instanceId: string;
  let number = 0;

  beforeAll(async () => {
    lab = await startCommandLab();
    instanceId = await lab.runInstance('member');
    await lab.startAgent(instanceId, 'member');
  });
  afterAll(() => lab.stop());
  afterEach(() => lab.aws.lab.clearFaults());

  const member = () => lab.clients.member(LAB_ACCOUNTS.member, LAB_REGION, 'acquire');
  const publish = (script: string) => lab.publish(`Doc-${(number += 1)}`, scriptDocument(script));
  const send = (document: PublishedDocument, attempt = 1, operation = `case/${document.name}`) =>
    runActivity(
      sendCommandOnce,
      {
        clients: member(),
        operation,
        instanceId,
        document,
        documentNamedBy: 'arn',
        deadlineSeconds: 30,
        parameters: () => Promise.resolve({ ManifestUrl: 'http://127.0.0.1:1/b/k?X-Amz-Signature=1', CaseId: 'i-1' }),
      },
      attempt,
    );
  const follow = (command: StartedCommand) =>
    runActivity(
      (input: StartedCommand) => followCommand({ ssm: member().ssm, command: input, result: shape }),
      command,
    );
  const commandsOf = async (document: PublishedDocument) => {
    const { Commands } = await lab.runCommand('member').send(new ListCommandsCommand({ InstanceId: instanceId }));
    return Commands!.filter((command) => command.Comment === `case/${document.name}`);
  };

  it('gives its result, from the pinned document of the forensics account', async () => {
    const document = await publish(`echo 'FORENSICS-RESULT {"n":7}'`);
    expect(await follow(await send(document))).toEqual({ n: 7 });
    await expect(send({ ...document, sha256: '0'.repeat(64) }, 1, 'case/other')).rejects.toMatchObject({
      type: 'InvalidRequest',
    });
  });

  it('is sent once, also when the answer to the first attempt is lost', async () => {
    const document = await publish(`echo 'FORENSICS-RESULT {"n":1}'`);
    const first = await send(document);
    expect(await send(document, 2)).toEqual(first);
    expect(await commandsOf(document)).toHaveLength(1);
  });

  it.each([
    ['its own sentence', `echo 'FORENSICS-FAILURE no-space There is no room.'; exit 1`, /There is no room\.$/],
    ['its last words', 'echo "curl: http://b/k?X-Amz-Signature=1 is gone" >&2; exit 3', /<URL withheld> is gone/],
    ['a missing result', 'echo done', /no result line/],
  ])('that fails is CommandFailed with %s', async (_what, script, message) => {
    const failure = follow(await send(await publish(script)));
    await expect(failure).rejects.toMatchObject({
      type: 'CommandFailed',
      nonRetryable: true,
      message: expect.stringMatching(message),
    });
    await expect(failure).rejects.not.toThrow(/X-Amz/);
  });

  it('that runs out of time is CommandTimedOut', async () => {
    const document = await publish('sleep 20');
    const command = await runActivity(sendCommandOnce, {
      clients: member(),
      operation: `case/${document.name}`,
      instanceId,
      document,
      documentNamedBy: 'arn',
      deadlineSeconds: 5,
      parameters: () => Promise.resolve({ ManifestUrl: 'http://127.0.0.1:1/b/k', CaseId: 'i-1' }),
    });
    await expect(follow(command)).rejects.toMatchObject({ type: 'CommandTimedOut', nonRetryable: true });
  });

  it.each([
    ['ends with its activity’s cancellation', { cancelRequested: true }, 'Cancelled'],
    ['goes on when only the worker shuts down', { workerShutdown: true }, 'InProgress'],
  ])('%s', async (_what, details, status) => {
    const document = await publish('sleep 60');
    const command = await send(document);
    const { environment } = activityEnvironment();
    const run = () => followCommand({ ssm: member().ssm, command, result: shape });
    const following = environment.run<[], { n: number }, typeof run>(run);
    const ended = following.then(
      () => 'succeeded',
      (error: unknown) => (error as Error).name,
    );
    const invoked = new GetCommandInvocationCommand({ CommandId: command.commandId, InstanceId: instanceId });
    const state = async () => (await lab.runCommand('member').send(invoked)).Status!;
    while ((await state()) === 'Pending') await sleep(50);
    environment.cancel('CANCELLED', new ActivityCancellationDetails(details));
    expect(await ended).toBe('CancelledFailure');
    // The agent needs a moment to end the script.
    let last = await state();
    for (let tries = 0; last === 'Cancelling' && tries < 600; tries += 1) {
      await sleep(50);
      last = await state();
    }
    expect(last).toBe(status);
  });
});
