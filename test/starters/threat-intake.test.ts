import type { Client } from '@temporalio/client';
import { isOwnCall, THREATS, threatSentence } from '../../domain/evidence-threat';
import { createThreatHandler } from '../../starters/cloudtrail-lambda';
import { MalformedEventError } from '../../starters/intake';
import { evidenceThreatFrom } from '../../starters/threat-intake';

const KEY = 'arn:aws:kms:us-east-1:444455556666:key/12345678-1234-1234-1234-123456789012';
const SNAPSHOT = 'snap-0123456789abcdef0';

/** An event as EventBridge delivers it, shaped after the examples of CloudTrail's documentation. */
function event(service: string, eventName: string, detail: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    version: '0',
    id: 'e0000000-0000-0000-0000-000000000000',
    'detail-type': 'AWS API Call via CloudTrail',
    source: `aws.${service}`,
    account: '444455556666',
    detail: {
      eventVersion: '1.09',
      userIdentity: {
        type: 'AssumedRole',
        principalId: 'AROAEXAMPLE:mallory',
        arn: 'arn:aws:sts::444455556666:assumed-role/Admin/mallory',
        accountId: '444455556666',
        sessionContext: { sessionIssuer: { type: 'Role', arn: 'arn:aws:iam::444455556666:role/Admin' } },
      },
      eventTime: '2026-11-22T08:00:00Z',
      eventSource: `${service}.amazonaws.com`,
      eventName,
      awsRegion: 'us-east-1',
      sourceIPAddress: '203.0.113.66',
      requestParameters: null,
      responseElements: null,
      eventID: 'f0000000-0000-0000-0000-000000000001',
      readOnly: false,
      recipientAccountId: '444455556666',
      ...detail,
    },
  };
}

test.each([
  ['ec2', 'DeleteSnapshot', { snapshotId: SNAPSHOT }, { kind: 'snapshots', snapshotIds: [SNAPSHOT] }],
  [
    'ec2',
    'UnlockSnapshot',
    { UnlockSnapshotRequest: { SnapshotId: SNAPSHOT } },
    { kind: 'snapshots', snapshotIds: [SNAPSHOT] },
  ],
  [
    'ec2',
    'ModifySnapshotAttribute',
    { snapshotId: SNAPSHOT, createVolumePermission: { add: { items: [{ group: 'all' }] } } },
    { kind: 'snapshots', snapshotIds: [SNAPSHOT] },
  ],
  ['kms', 'ScheduleKeyDeletion', { keyId: KEY, pendingWindowInDays: 7 }, { kind: 'key', keyId: KEY }],
  ['kms', 'DisableKey', { keyId: KEY }, { kind: 'key', keyId: KEY }],
  ['s3', 'PutBucketPolicy', { bucketName: 'evidence', bucketPolicy: {} }, { kind: 'object', bucket: 'evidence' }],
  [
    's3',
    'DeleteObject',
    { bucketName: 'evidence', key: 'cases/c/a' },
    { kind: 'object', bucket: 'evidence', key: 'cases/c/a' },
  ],
  ['cloudtrail', 'StopLogging', { name: 'trail' }, { kind: 'trail' }],
  ['dynamodb', 'DeleteTable', { tableName: 'cases' }, { kind: 'table', table: 'cases' }],
])('%s:%s is a threat', (service, name, requestParameters, target) => {
  const threat = evidenceThreatFrom(event(service, name, { requestParameters }))!;
  expect(threat).toMatchObject({
    eventId: 'f0000000-0000-0000-0000-000000000001',
    call: `${service}:${name}`,
    caller: 'arn:aws:sts::444455556666:assumed-role/Admin/mallory',
    role: 'arn:aws:iam::444455556666:role/Admin',
    severity: THREATS[`${service}:${name}`]!.severity,
    target,
  });
  expect(threatSentence(threat)).toContain(`mallory called ${service}:${name} from 203.0.113.66`);
});

test.each([
  ['ec2', 'DescribeSnapshots', { snapshotId: SNAPSHOT }],
  ['ec2', 'toString', {}],
  ['ec2', 'DeleteTags', { resourcesSet: { items: [{ resourceId: 'i-0123456789abcdef0' }] } }],
  ['ec2', 'ModifySnapshotAttribute', { snapshotId: SNAPSHOT, createVolumePermission: { remove: { items: [] } } }],
])('%s:%s %j is none', (service, name, requestParameters) => {
  expect(evidenceThreatFrom(event(service, name, { requestParameters }))).toBeNull();
});

test('a call that AWS refused is a threat of its own kind', () => {
  const refused = { requestParameters: { snapshotId: SNAPSHOT }, errorCode: 'Client.SnapshotLocked' };
  const threat = evidenceThreatFrom(event('ec2', 'DeleteSnapshot', refused))!;
  expect(threat).toMatchObject({ severity: 'medium', refused: 'Client.SnapshotLocked' });
  expect(threatSentence(threat)).toContain('tried ec2:DeleteSnapshot');
});

test('the key is named by its ARN where CloudTrail gives one', () => {
  const detail = { requestParameters: { keyId: 'alias/evidence' }, resources: [{ ARN: KEY, type: 'AWS::KMS::Key' }] };
  expect(evidenceThreatFrom(event('kms', 'PutKeyPolicy', detail))!.target).toEqual({ kind: 'key', keyId: KEY });
});

test.each([
  [null, 'the event'],
  [event('ec2', 'DeleteSnapshot', { eventTime: 'yesterday' }), 'detail.eventTime'],
  [event('ec2', 'DeleteSnapshot', { awsRegion: 'moon' }), 'detail.awsRegion'],
  [{ ...event('ec2', 'DeleteSnapshot'), 'detail-type': 'GuardDuty Finding' }, 'detail-type'],
])('a malformed event is told what is wrong', (malformed, field) => {
  expect(() => evidenceThreatFrom(malformed)).toThrow(MalformedEventError);
  expect(() => evidenceThreatFrom(malformed)).toThrow(field);
});

test('what the product does itself is no alert, and its role’s other calls are', () => {
  const worker = 'arn:aws:iam::444455556666:role/Admin';
  const own = { worker: [worker], acquire: [], purge: ['arn:aws:iam::444455556666:role/ForensicsPurge'] };
  const threat = (name: string, detail: object = {}) =>
    evidenceThreatFrom(event('ec2', name, { requestParameters: { snapshotId: SNAPSHOT }, ...detail }))!;
  expect(isOwnCall(threat('LockSnapshot'), own)).toBe(true);
  expect(isOwnCall(threat('UnlockSnapshot'), own)).toBe(false);
  expect(isOwnCall(threat('DeleteSnapshot'), own)).toBe(false);
  expect(isOwnCall(threat('LockSnapshot', { errorCode: 'x' }), own)).toBe(false);
});

test('the function answers what is malformed and what threatens nothing without asking Temporal', async () => {
  const errors = jest.spyOn(console, 'error').mockImplementation(() => undefined);
  const unreachable = (): Promise<Client> => Promise.reject(new Error('nobody is there'));
  const handler = createThreatHandler(unreachable);
  expect(await handler({})).toMatchObject({
    accepted: false,
    problems: expect.arrayContaining([expect.stringContaining('detail')]),
  });
  expect(await handler(event('ec2', 'RunInstances'))).toEqual({ accepted: true, result: 'no-threat' });
  const threat = event('ec2', 'DeleteSnapshot', { requestParameters: { snapshotId: SNAPSHOT } });
  await expect(handler(threat)).rejects.toThrow('nobody is there');
  errors.mockRestore();
});
