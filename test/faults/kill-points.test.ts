import { type Call, callId, KillPoints } from './kill-points';

const call = (action: string, parameters: Record<string, unknown>, service = 'ec2'): Call => ({
  service,
  action,
  account: '111122223333',
  parameters,
});

describe('a call is known again', () => {
  test.each<[string, Call, Call]>([
    [
      'with other checksums and another upload',
      call('UploadPartCopy', { Bucket: 'b', Key: 'k', PartNumber: '1', UploadId: 'one', ContentLength: 1 }, 's3'),
      call('UploadPartCopy', { Bucket: 'b', Key: 'k', PartNumber: '1', UploadId: 'two', ContentLength: 2 }, 's3'),
    ],
    [
      'with another pre-signed URL',
      call('CopySnapshot', { SourceSnapshotId: 'snap-1', PresignedUrl: 'https://one' }),
      call('CopySnapshot', { SourceSnapshotId: 'snap-1', PresignedUrl: 'https://two' }),
    ],
    [
      'at another place of the custody log',
      call('TransactWriteItems', {
        TransactItems: [{ Put: { Item: { SK: 'EVENT#000007', hash: 'a' } } }, 'WRITTEN#e-1'],
      }),
      call('TransactWriteItems', {
        TransactItems: [{ Put: { Item: { SK: 'EVENT#000009', hash: 'b' } } }, 'WRITTEN#e-1'],
      }),
    ],
    [
      'at another time',
      call('PutItem', { Item: { a: '2026-11-22T10:00:00.000Z' } }, 'dynamodb'),
      call('PutItem', { Item: { a: '2026-11-22T10:00:09.500Z' } }, 'dynamodb'),
    ],
  ])('%s', (_what, one, other) => {
    expect(callId(one)).toBe(callId(other));
  });

  test.each<[string, Call, Call]>([
    ['another resource', call('DeleteVolume', { VolumeId: 'vol-1' }), call('DeleteVolume', { VolumeId: 'vol-2' })],
    ['another key', call('PutObject', { Bucket: 'b', Key: 'k' }), call('PutObject', { Bucket: 'b', Key: 'l' })],
    ['another account', call('LockSnapshot', {}), { ...call('LockSnapshot', {}), account: '444455556666' }],
    [
      'another entry of the custody log',
      call('TransactWriteItems', { TransactItems: ['WRITTEN#e-1'] }),
      call('TransactWriteItems', { TransactItems: ['WRITTEN#e-2'] }),
    ],
  ])('%s makes it another one', (_what, one, other) => {
    expect(callId(one)).not.toBe(callId(other));
  });
});

describe('kill points', () => {
  test('each mutation before, then after, then not again', () => {
    const points = new KillPoints();
    const one = call('CopySnapshot', { SourceSnapshotId: 'snap-1', PresignedUrl: 'https://one' });
    const again = call('CopySnapshot', { SourceSnapshotId: 'snap-1', PresignedUrl: 'https://two' });
    expect(points.next(one)).toBe('before');
    points.killed(one, 'before');
    expect(points.next(again)).toBe('after');
    points.killed(again, 'after');
    expect(points.next(one)).toBeUndefined();
    expect(points.all()).toMatchObject([{ action: 'CopySnapshot', ordinal: 1, killed: { before: true, after: true } }]);
  });

  test.each(['DescribeSnapshots', 'GetObject', 'AssumeRole', 'ListCommands', 'HeadObject', 'BatchGetItem'])(
    'none at %s, which changes nothing',
    (action) => {
      const points = new KillPoints();
      expect(points.next(call(action, {}))).toBeUndefined();
      expect(points.all()).toEqual([]);
    },
  );

  test('an action that nobody thought of is one', () => {
    expect(new KillPoints().next(call('FrobnicateVolume', {}))).toBe('before');
  });

  test('a call that never looks the same twice is a defect of the harness and ends it', () => {
    const points = new KillPoints();
    const strike = (): void => {
      for (let index = 0; index < 1000; index += 1) points.next(call('PutThing', { Nonce: index }));
    };
    expect(strike).toThrow('teach callId about it');
  });
});
