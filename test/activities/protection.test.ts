import { DescribeAutoScalingInstancesCommand, DetachInstancesCommand } from '@aws-sdk/client-auto-scaling';
import { DescribeInstanceAttributeCommand, DescribeTagsCommand, DetachVolumeCommand } from '@aws-sdk/client-ec2';
import { createProtectionActivities } from '../../activities/protection';
import { createProtectionUndoActivities } from '../../activities/protection-undo';
import { createTriageActivities } from '../../activities/triage';
import type { ProtectionActivities, ProtectionStep } from '../../activities/types';
import type { InstanceFacts } from '../../domain/instance-facts';
import { actsOf } from './acts';
import { joinGroup, moreClients } from './containment-lab';
import {
  type ActivityLab,
  CASE_ID,
  caseRequest,
  createKeys,
  createNetwork,
  failureOf,
  launchSuspect,
  type Network,
  runActivity,
  startActivityLab,
  type Suspect,
  type SuspectKeys,
} from './support';

let lab: ActivityLab;
let protection: ProtectionActivities;
let network: Network;
let keys: SuspectKeys;

beforeAll(async () => {
  lab = await startActivityLab();
  protection = createProtectionActivities(lab);
  [network, keys] = await Promise.all([createNetwork(lab), createKeys(lab)]);
});
afterAll(() => lab.stop());
beforeEach(() => lab.aws.lab.clearFaults());

const launch = () => launchSuspect(lab, network, { keys });

async function factsOf(suspect: Suspect): Promise<InstanceFacts> {
  const triage = createTriageActivities(lab);
  const { facts } = await runActivity(
    (input: Parameters<typeof triage.triageInstance>[0]) => triage.triageInstance(input),
    {
      caseId: CASE_ID,
      request: caseRequest(suspect.target),
    },
  );
  return facts;
}

const protect = (facts: InstanceFacts, attempt = 1) =>
  runActivity(
    (input: { caseId: string; facts: InstanceFacts }) => protection.protectInstance(input),
    { caseId: CASE_ID, facts },
    { attempt },
  );

async function shutdownBehavior(suspect: Suspect): Promise<string | undefined> {
  const answer = await lab.aws.member.ec2.send(
    new DescribeInstanceAttributeCommand({
      InstanceId: suspect.target.instanceId,
      Attribute: 'instanceInitiatedShutdownBehavior',
    }),
  );
  return answer.InstanceInitiatedShutdownBehavior?.Value;
}

describe('protection', () => {
  it('is set before anything slow, with the state before it, and is read back (AFO A11)', async () => {
    const suspect = await launch();
    const facts = await factsOf(suspect);
    let steps: ProtectionStep[] = [];
    const acts = await actsOf(async () => ({ steps } = await protect(facts)));
    expect(acts.filter(({ data }) => data!.changesSuspect).map(({ data }) => [data!.step, data!.before])).toEqual(
      expect.arrayContaining(steps.map(({ step, before }) => [step, before])),
    );
    expect(acts.flatMap(({ awsCalls }) => awsCalls)).toHaveLength(5);
    expect(steps.map(({ step, outcome, before }) => [step, outcome, before])).toEqual([
      ['termination-protection', 'set', 'false'],
      ['stop-protection', 'set', 'false'],
      ['shutdown-behavior', 'set', 'terminate'],
      [
        'delete-on-termination',
        'set',
        [...suspect.volumeIds]
          .sort()
          .map((id) => `${id}=true`)
          .join(','),
      ],
      ['case-tag', 'set', ''],
    ]);
    const after = await factsOf(suspect);
    expect(after.protection).toEqual({ apiTerminationDisabled: true, apiStopDisabled: true, shutdownBehavior: 'stop' });
    expect(after.volumes.map((volume) => volume.deleteOnTermination)).toEqual([false, false, false, false]);
    const { Tags } = await lab.aws.member.ec2.send(
      new DescribeTagsCommand({ Filters: [{ Name: 'resource-id', Values: suspect.volumeIds }] }),
    );
    expect(Tags!.map(({ Key, Value }) => `${Key}=${Value}`)).toEqual(Array(4).fill(`forensics:case=${CASE_ID}`));

    const again = await protect(after);
    expect(again.steps.map(({ outcome }) => outcome)).toEqual(Array(5).fill('already-set'));
  });

  it('runs again after its answer was lost: the state before is still the one before us', async () => {
    const suspect = await launch();
    const facts = await factsOf(suspect);
    const first = await protect(facts);
    expect(await protect(facts)).toEqual(first);
  });

  it('goes on when one step is refused', async () => {
    const suspect = await launch();
    const facts = await factsOf(suspect);
    await lab.aws.lab.setFaults([{ action: 'CreateTags', code: 'UnauthorizedOperation', times: 5 }]);
    const { steps } = await protect(facts);
    const failed = steps.filter(({ outcome }) => outcome === 'failed');
    expect(failed).toMatchObject([
      { step: 'case-tag', reason: expect.stringMatching(/UnauthorizedOperation/) as string },
    ]);
    expect(await shutdownBehavior(suspect)).toBe('stop');
  });

  it('is throttled: tries again with patience, reports when it has run out', async () => {
    const facts = await factsOf(await launch());
    await lab.aws.lab.setFaults([{ action: 'CreateTags', code: 'RequestLimitExceeded', times: 99 }]);
    expect((await failureOf(protect(facts))).type).toBe('Throttled');
    const { steps } = await protect(facts, 9);
    expect(steps.find(({ step }) => step === 'case-tag')).toMatchObject({ outcome: 'failed' });
  });

  it('keeps the other volumes when one was detached meanwhile', async () => {
    const suspect = await launch();
    const facts = await factsOf(suspect);
    await lab.aws.member.ec2.send(new DetachVolumeCommand({ VolumeId: suspect.volumeIds[3]! }));
    await protect(facts);
    const after = await factsOf(suspect);
    expect(after.volumes.map((volume) => volume.deleteOnTermination)).toEqual([false, false, false]);
  });

  it('says that nothing keeps a Spot Instance, and counts it as no failure (AFO A8)', async () => {
    const facts: InstanceFacts = { ...(await factsOf(await launch())), lifecycle: 'spot' };
    const { steps } = await protect(facts);
    expect(steps.at(-1)).toMatchObject({
      step: 'spot-reclaim',
      outcome: 'not-possible',
      reason: expect.stringContaining('no protection keeps it') as string,
    });
    expect(steps.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
  });

  describe('in an Auto Scaling group', () => {
    const clients = () => moreClients(lab);
    const inGroup = async () => {
      const suspect = await launch();
      const { groupName } = await joinGroup(lab, clients(), network, suspect);
      return { suspect, groupName, facts: await factsOf(suspect) };
    };
    const stateOf = async ({ target }: Suspect) =>
      (await clients().autoScaling.send(new DescribeAutoScalingInstancesCommand({ InstanceIds: [target.instanceId] })))
        .AutoScalingInstances![0];

    it('is kept from scale-in, and from failed health checks by standby where that is asked for (AFO A8)', async () => {
      const { suspect, facts } = await inGroup();
      const kept = (await protect(facts)).steps.find(({ step }) => step === 'scale-in-protection');
      expect(kept).toEqual({ step: 'scale-in-protection', outcome: 'set', before: 'false' });
      expect(await stateOf(suspect)).toMatchObject({ LifecycleState: 'InService', ProtectedFromScaleIn: true });

      const withStandby = { caseId: CASE_ID, facts, standby: true };
      const standby = (input: typeof withStandby) => protection.protectInstance(input);
      for (const attempt of [1, 2]) {
        const { steps } = await runActivity(standby, withStandby, { attempt });
        expect(steps.at(-1)).toEqual({ step: 'standby', outcome: 'set', before: 'InService' });
      }
      expect(await stateOf(suspect)).toMatchObject({ LifecycleState: 'Standby' });
    });

    it('gets its protections off again at release, and the difference that stays is said', async () => {
      const { suspect, facts, groupName } = await inGroup();
      const { steps } = await runActivity(
        (input: Parameters<typeof protection.protectInstance>[0]) => protection.protectInstance(input),
        { caseId: CASE_ID, facts, standby: true },
      );
      const release = createProtectionUndoActivities(lab);
      const undo = () =>
        runActivity((input: Parameters<typeof release.undoProtection>[0]) => release.undoProtection(input), {
          caseId: CASE_ID,
          facts,
          steps,
        });
      const first = await undo();
      expect(first.steps.map(({ step, outcome }) => [step, outcome])).toEqual(
        steps
          .filter(({ outcome }) => outcome === 'set')
          .map(({ step }) => [step, 'restored'])
          .reverse(),
      );
      expect(first.steps.find(({ step }) => step === 'standby')!.difference).toContain(
        `desired capacity of Auto Scaling group ${groupName} is one higher`,
      );
      expect(await stateOf(suspect)).toMatchObject({ LifecycleState: 'InService', ProtectedFromScaleIn: false });
      const after = await factsOf(suspect);
      expect({ ...after.protection }).toEqual(facts.protection);
      expect(after.tags).toEqual(facts.tags);
      expect(after.volumes.map((volume) => volume.deleteOnTermination)).toEqual(
        facts.volumes.map((volume) => volume.deleteOnTermination),
      );
      // Once more, as after a lost answer: nothing is left to change.
      expect(await undo()).toEqual(first);
    });

    it('is left where it is when it has left its group meanwhile', async () => {
      const { suspect, facts, groupName } = await inGroup();
      const { steps } = await protect(facts);
      await clients().autoScaling.send(
        new DetachInstancesCommand({
          AutoScalingGroupName: groupName,
          InstanceIds: [suspect.target.instanceId],
          ShouldDecrementDesiredCapacity: true,
        }),
      );
      const release = createProtectionUndoActivities(lab);
      const { steps: undone } = await runActivity(
        (input: Parameters<typeof release.undoProtection>[0]) => release.undoProtection(input),
        { caseId: CASE_ID, facts, steps },
      );
      expect(undone[0]).toEqual({
        step: 'scale-in-protection',
        outcome: 'differs',
        difference: `${suspect.target.instanceId} is no longer in Auto Scaling group ${groupName}`,
      });
    });
  });
});
