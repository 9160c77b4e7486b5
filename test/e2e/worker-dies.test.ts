/** The worker dies by SIGKILL in the middle of each phase: nothing is lost, nothing is done twice. */
import {
  DescribeInstancesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSnapshotsCommand,
  DescribeVolumesCommand,
} from '@aws-sdk/client-ec2';
import { ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { ListCommandsCommand } from '@aws-sdk/client-ssm';
import { setTimeout as sleep } from 'node:timers/promises';
import { decide, outcomeOf, startTestLab, type TestLab, until } from './support';

// A dead worker is noticed after 30 s without a heartbeat, and this happens in each phase.
jest.setTimeout(600_000);

let lab: TestLab;
beforeAll(async () => {
  lab = await startTestLab();
});
afterAll(() => lab.stop());

/** Makes the next such call slow, waits until it is under way, and kills the worker in the middle of it. */
async function killDuring(service: string, action: string): Promise<void> {
  const before = (await lab.emulator.faults()).length;
  await lab.emulator.addFaults({ service, action, delay: 4, times: 1 });
  const deadline = Date.now() + 150_000;
  for (;;) {
    const faults = await lab.emulator.faults();
    // It counts down as the call comes in, before the delay.
    if (faults.length <= before || faults.every((fault) => fault.action !== action || (fault.times ?? 1) === 0)) break;
    if (Date.now() > deadline) throw new Error(`${service}:${action} was not called within 150 s`);
    await sleep(50);
  }
  await lab.replaceWorker();
}

test('killed in triage, protection, acquisition, containment, examination and report, the case closes complete', async () => {
  const suspect = await lab.launch();
  const opened = lab.openCase(suspect);
  await killDuring('ec2', 'DescribeInstanceTypes');
  const handle = await opened;
  await killDuring('ec2', 'ModifyInstanceAttribute');
  await killDuring('ec2', 'CreateSnapshots');
  await until(handle, 'the isolation checkpoint open', (now) => now.checkpoints.isolation.state === 'open');
  await decide(handle);
  await killDuring('ec2', 'ModifyNetworkInterfaceAttribute');
  await killDuring('ec2', 'TerminateInstances');
  const reported = until(
    handle,
    'the report being written',
    (now) => now.phase === 'report' || now.status === 'closed',
    300,
  );
  await reported;
  await lab.replaceWorker();

  const outcome = await outcomeOf(handle, 300);
  expect({ outcome: outcome.outcome, reasons: outcome.reasons }).toEqual({ outcome: 'complete', reasons: [] });
  expect(outcome.phases.map((phase) => [phase.name, phase.outcome])).toEqual(
    ['triage', 'protection', 'acquisition', 'containment', 'examination', 'report'].map((name) => [name, 'succeeded']),
  );

  const { member, forensics, config } = lab.deployment;
  const ofCase = [{ Name: 'tag:forensics:case', Values: [outcome.caseId] }];
  const snapshots = async (account: typeof member) =>
    (await account.ec2.send(new DescribeSnapshotsCommand({ OwnerIds: ['self'], Filters: ofCase }))).Snapshots ?? [];
  // Three volumes; two of them are re-encrypted on the way (a key without a grant, and aws/ebs).
  expect(await snapshots(member)).toHaveLength(3 + 2);
  expect(await snapshots(forensics)).toHaveLength(3);
  expect((await member.ssm.send(new ListCommandsCommand({}))).Commands).toHaveLength(1);
  expect((await forensics.ssm.send(new ListCommandsCommand({}))).Commands).toHaveLength(4);
  const instances = (await forensics.ec2.send(new DescribeInstancesCommand({ Filters: ofCase }))).Reservations!.flatMap(
    (one) => one.Instances ?? [],
  );
  expect(instances.map((one) => one.State?.Name)).toEqual(Array(4).fill('terminated'));
  expect((await forensics.ec2.send(new DescribeVolumesCommand({ Filters: ofCase }))).Volumes ?? []).toEqual([]);
  const groups = await member.ec2.send(
    new DescribeSecurityGroupsCommand({ Filters: [{ Name: 'tag-key', Values: ['forensics:role'] }] }),
  );
  expect(groups.SecurityGroups).toHaveLength(2);
  const Prefix = `cases/${outcome.caseId}/memory/`;
  const { Versions } = await forensics.s3.send(
    new ListObjectVersionsCommand({ Bucket: config.buckets.evidence, Prefix }),
  );
  // One version of each.
  expect(Versions!.map(({ Key }) => Key!.slice(Prefix.length)).sort()).toEqual(
    ['acquisition.json', 'kernel-facts.tar.gz', 'memory.lime', 'part-digests.txt'].map((name) => `attempt-1/${name}`),
  );
});
