import { build } from 'esbuild';
import path from 'node:path';
import type { Client } from '@temporalio/client';
import { createHandler } from '../../starters/guardduty-lambda';

describe('the Lambda handler', () => {
  const silence = jest.spyOn(console, 'error').mockImplementation(() => undefined);
  afterAll(() => silence.mockRestore());

  test('answers a malformed event instead of throwing, so that EventBridge does not deliver it again', async () => {
    const connect = jest.fn<Promise<Client>, []>();
    const answer = await createHandler(connect)({ source: 'aws.guardduty' });
    expect(answer).toMatchObject({
      accepted: false,
      problems: expect.arrayContaining([expect.stringContaining('detail')]) as string[],
    });
    expect(connect).not.toHaveBeenCalled();
  });

  test('throws when Temporal cannot be reached, so that Lambda retries', async () => {
    const handler = createHandler(() => Promise.reject(new Error('no Temporal server answers')));
    const event = {
      kind: 'manual',
      accountId: '111122223333',
      region: 'us-east-1',
      instanceId: 'i-0123456789abcdef0',
      reason: 'r',
      openedBy: 'ann',
    };
    await expect(handler(event)).rejects.toThrow('no Temporal server answers');
  });

  test('bundles for Lambda without native code and without workflow code', async () => {
    const result = await build({
      entryPoints: [path.join(__dirname, '../../starters/guardduty-lambda.ts')],
      bundle: true,
      platform: 'node',
      target: 'node20',
      write: false,
      metafile: true,
      logLevel: 'silent',
    });
    const inputs = Object.keys(result.metafile.inputs);
    expect(inputs.filter((file) => /core-bridge|@temporalio\/worker|workflows\/(?!contract)/.test(file))).toEqual([]);
    // 2 MB unzipped before minifying is small for Lambda (50 MB zipped is the limit) and starts in well under a second.
    expect(result.outputFiles[0]!.contents.length).toBeLessThan(8_000_000);
  });
});
