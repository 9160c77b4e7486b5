import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { awsCode, awsStep, toFailure, worthAnotherAttempt } from '../../../activities/aws/errors';
import { clientToken } from '../../../activities/aws/idempotency';

const awsError = (name: string, httpStatusCode = 400, more: object = {}) =>
  Object.assign(new Error(`message of ${name}`), { name, $metadata: { httpStatusCode, requestId: 'req-1' }, ...more });

describe('toFailure', () => {
  it.each([
    ['RequestLimitExceeded', 503, 'Throttled'],
    ['ThrottlingException', 400, 'Throttled'],
    ['SlowDown', 503, 'Throttled'],
    ['ResourceLimitExceeded', 400, 'Throttled'],
    ['UnknownCode', 429, 'Throttled'],
    ['InternalError', 500, 'Unavailable'],
    ['InvalidSnapshot.InUse', 400, 'Unavailable'],
    ['IncorrectState', 400, 'Unavailable'],
    ['ExpiredToken', 400, 'Unavailable'],
    ['UnauthorizedOperation', 403, 'AccessDenied'],
    ['AccessDeniedException', 400, 'AccessDenied'],
    ['InvalidInstanceID.NotFound', 400, 'InstanceNotFound'],
    ['InvalidInstanceId', 400, 'AgentUnavailable'],
    ['InvalidParameterValue', 400, 'InvalidRequest'],
    ['ValidationException', 400, 'InvalidRequest'],
  ])('%s (HTTP %i) is %s', (name, status, type) => {
    const failure = toFailure(awsError(name, status), 'reading snapshot snap-1');
    expect(failure.type).toBe(type);
    expect(failure.nonRetryable).toBe(!['Throttled', 'Unavailable'].includes(type));
    expect(failure.nextRetryDelay === undefined).toBe(type !== 'Throttled');
  });

  it('says what failed, on which resource, AWS’s code and request, and what to do', () => {
    const failure = toFailure(awsError('UnauthorizedOperation', 403), 'sharing snapshot snap-1');
    expect(failure.message).toBe(
      'sharing snapshot snap-1 failed: UnauthorizedOperation: message of UnauthorizedOperation (request req-1). ' +
        'Check the role’s policy, the key’s policy and the service control policies, then run the step again.',
    );
    expect(awsCode(failure)).toBe('UnauthorizedOperation');
  });

  it('knows a network error by its code, and keeps a failure as it is', () => {
    expect(toFailure(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }), 'x').type).toBe('Unavailable');
    const given = ApplicationFailure.nonRetryable('seen', 'SnapshotFailed');
    expect(toFailure(given, 'x')).toBe(given);
    expect(toFailure('text', 'x')).toMatchObject({ type: 'InvalidRequest', nonRetryable: true });
  });
});

describe('awsStep', () => {
  it('ends the request when the activity is cancelled, and reports the cancellation', async () => {
    const environment = new MockActivityEnvironment();
    const step = environment.run(() =>
      awsStep(
        'waiting',
        ({ abortSignal }) =>
          new Promise((_, reject) => {
            abortSignal!.addEventListener('abort', () => reject(new Error('Request aborted')));
          }),
      ),
    );
    environment.cancel();
    await expect(step).rejects.toBeInstanceOf(CancelledFailure);
  });

  it('works outside of an activity, without a signal', async () => {
    await expect(awsStep('x', (options) => Promise.resolve(options))).resolves.toEqual({});
  });
});

describe('worthAnotherAttempt', () => {
  it.each([
    [1, 'Throttled', true],
    [3, 'Unavailable', true],
    [4, 'Throttled', false],
    [1, 'AccessDenied', false],
  ])('attempt %i with %s: %s', async (attempt, type, expected) => {
    const environment = new MockActivityEnvironment({ attempt });
    const failure = ApplicationFailure.create({ message: 'm', type });
    expect(await environment.run(() => Promise.resolve(worthAnotherAttempt(failure)))).toBe(expected);
  });
});

describe('clientToken', () => {
  it('is the same for the same step, another for another, 64 ASCII characters', () => {
    expect(clientToken('case', 'a')).toBe(clientToken('case', 'a'));
    expect(clientToken('case', 'a')).not.toBe(clientToken('casea'));
    expect(clientToken('case', 'a')).toMatch(/^[0-9a-f]{64}$/);
  });
});
