/** What goes wrong on a bad day, in a whole lab: the outcome says it, and nothing else is lost. */
import { open, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DescribeSnapshotsCommand } from '@aws-sdk/client-ec2';
import { DEFAULT_POLICY, type Policy } from '../../domain/policy';
import { guardDutyEvent } from '../../lab/seed/guardduty-finding';
import { decide, outcomeOf, startTestLab, type TestLab, until } from './support';

jest.setTimeout(400_000);

const quickPolicy: Policy = {
  ...DEFAULT_POLICY,
  deadlines: { snapshot: 60, copy: 60, memory: 120, examination: 240 },
};

let lab: TestLab;
beforeAll(async () => {
  lab = await startTestLab(quickPolicy);
});
afterAll(() => lab.stop());
afterEach(() => lab.emulator.clearFaults());

test('one volume’s copy ends in error: that disk is missing with AWS’s reason, the other two and the memory are there', async () => {
  const suspect = await lab.launch();
  const [failing = ''] = suspect.volumeIds;
  await lab.emulator.addFaults({
    service: 'ec2',
    action: 'CreateSnapshots',
    outcome: 'error',
    message: 'Given key ID is not accessible',
    match: { VolumeId: failing },
  });
  const handle = await lab.openCase(suspect);
  await until(handle, 'the isolation checkpoint open', (now) => now.checkpoints.isolation.state === 'open');
  await decide(handle, { verdict: 'reject', reason: 'the shop must stay open' });
  const outcome = await outcomeOf(handle);
  expect(outcome.outcome).toBe('partial');
  expect(outcome.missing).toEqual([
    {
      id: failing,
      kind: 'disk',
      source: failing,
      reason: expect.stringContaining('Given key ID is not accessible') as string,
    },
  ]);
  expect(outcome.exhibits.map((exhibit) => exhibit.id).sort()).toEqual(
    ['memory', ...suspect.volumeIds.slice(1)].sort(),
  );
  expect(outcome.containment).toBeUndefined();
  expect(outcome.decisions).toMatchObject([{ verdict: 'reject', approver: 'ann', reason: 'the shop must stay open' }]);
});

test('a block of one forensic copy is altered: that disk fails with the block’s index, its siblings go on', async () => {
  const suspect = await lab.launch({ kind: 'paper' });
  await lab.emulator.hold('copies');
  const handle = await lab.openCase(suspect);
  const altered = await firstForensicCopy(suspect.volumeIds);
  const image = await open(path.join(lab.config.stateFolder, 'ebs', 'snapshots', `${altered.snapshotId}.img`), 'r+');
  await image.write(Buffer.from('not what was snapshotted'), 0, 24, 5 * 512 * 1024 + 100);
  await image.close();
  await lab.emulator.hold();
  await until(handle, 'the isolation checkpoint open', (now) => now.checkpoints.isolation.state === 'open');
  await decide(handle, { verdict: 'reject', reason: 'the shop must stay open' });
  const outcome = await outcomeOf(handle);
  const disks = outcome.missing.filter(({ kind }) => kind === 'disk');
  expect(disks).toMatchObject([
    {
      id: altered.volumeId,
      reason: expect.stringMatching(/1 of \d+ blocks differ, the first at 5\. Both are kept/) as string,
    },
  ]);
  expect(outcome.exhibits.map(({ id }) => id).sort()).toEqual(
    suspect.volumeIds.filter((id) => id !== altered.volumeId).sort(),
  );
});

/** A copy in the forensics account whose bytes are there, and which is not complete yet. */
async function firstForensicCopy(volumeIds: string[]): Promise<{ volumeId: string; snapshotId: string }> {
  const deadline = Date.now() + 120_000;
  while (Date.now() < deadline) {
    const { Snapshots: copies = [] } = await lab.deployment.forensics.ec2.send(
      new DescribeSnapshotsCommand({ OwnerIds: ['self'] }),
    );
    for (const { SnapshotId: snapshotId, Tags } of copies) {
      const volumeId = Tags?.find(({ Key }) => Key === 'forensics:volume')?.Value;
      if (snapshotId !== undefined && volumeId !== undefined && volumeIds.includes(volumeId))
        return { volumeId, snapshotId };
    }
    await sleep(100);
  }
  throw new Error('no copy of these volumes was made');
}

test('an instance without an agent: no memory, with the reason; disks and isolation all the same', async () => {
  const suspect = await lab.launch({ tags: { 'lab:agent': 'none' } });
  const handle = await lab.openCase(suspect);
  await until(handle, 'the isolation checkpoint open', (now) => now.checkpoints.isolation.state === 'open');
  await decide(handle);
  const outcome = await outcomeOf(handle);
  expect(outcome.missing).toMatchObject([{ kind: 'memory', reason: expect.stringMatching(/agent/i) as string }]);
  expect(outcome.exhibits).toHaveLength(3);
  expect(outcome.containment?.outcome).toBe('isolated');
});

test('an instance that is terminated in the middle: what was had by then is kept, the rest is missing with its reason', async () => {
  const suspect = await lab.launch({ kind: 'paper' });
  // Nothing runs a paper instance: its memory is missing for want of an agent, and the disks go on.
  await lab.emulator.addFaults({
    service: 'ec2',
    action: 'CreateSnapshots',
    code: 'InvalidInstanceID.NotFound',
    message: `The instance ID '${suspect.instanceId}' does not exist`,
  });
  const handle = await lab.openCase(suspect);
  await until(handle, 'the isolation checkpoint open', (now) => now.checkpoints.isolation.state === 'open');
  await decide(handle);
  const outcome = await outcomeOf(handle);
  expect(outcome.outcome).not.toBe('complete');
  expect(outcome.missing.map((one) => one.id).sort()).toEqual(['memory', ...suspect.volumeIds].sort());
  for (const missing of outcome.missing) expect(missing.reason).not.toBe('');
  expect(outcome.report).toBeDefined();
});

test('an instance that does not exist: the case fails at once and says so', async () => {
  const handle = await lab.openCase({
    instanceId: 'i-0000000000000dead',
    kind: 'paper',
    volumeIds: [],
    findingFile: await findingAbout('i-0000000000000dead'),
  });
  const outcome = await outcomeOf(handle, 60);
  expect(outcome.outcome).toBe('failed');
  expect(outcome.reasons.join()).toMatch(/i-0000000000000dead/);
});

async function findingAbout(instanceId: string): Promise<string> {
  const file = path.join(lab.config.stateFolder, `${instanceId}.json`);
  await writeFile(file, JSON.stringify(guardDutyEvent(instanceId)));
  return file;
}
