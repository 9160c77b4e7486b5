import {
  CreateTagsCommand,
  DeleteVolumeCommand,
  DetachVolumeCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { createTriageActivities } from '../../activities/triage';
import type { TriageActivities } from '../../activities/types';
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
let triage: TriageActivities;
let keys: SuspectKeys;
let network: Network;
let suspect: Suspect;

beforeAll(async () => {
  lab = await startActivityLab();
  triage = createTriageActivities(lab);
  [keys, network] = await Promise.all([createKeys(lab), createNetwork(lab)]);
  suspect = await launchSuspect(lab, network, { keys, interfaces: 2 });
});
afterAll(() => lab.stop());
beforeEach(async () => {
  await lab.aws.lab.clearFaults();
  Object.assign(lab.agents, { status: 200, body: { InstanceInformationList: [] }, asked: [] });
});

const assess = (target = suspect.target, attempt = 1) =>
  runActivity(
    (input: Parameters<TriageActivities['triageInstance']>[0]) => triage.triageInstance(input),
    {
      caseId: CASE_ID,
      request: caseRequest(target),
    },
    { attempt },
  );

describe('triage', () => {
  it('reads the tags of a volume, which a policy may choose it by', async () => {
    const [tagged = '', untagged] = suspect.volumeIds;
    await lab.aws.member.ec2.send(
      new CreateTagsCommand({ Resources: [tagged], Tags: [{ Key: 'evidence', Value: 'yes' }] }),
    );
    const { volumes } = (await assess()).facts;
    expect(volumes.find(({ volumeId }) => volumeId === tagged)).toMatchObject({ tags: { evidence: 'yes' } });
    expect(volumes.find(({ volumeId }) => volumeId === untagged)).not.toHaveProperty('tags');
  });

  it('reads volumes with their keys, interfaces, attributes and memory, sorted', async () => {
    const { facts, decision } = await assess();
    const byId = new Map(facts.volumes.map((volume) => [volume.volumeId, volume]));
    const [root, shared, unshared, standard] = suspect.volumeIds.map((id) => byId.get(id)!);

    expect(facts).toMatchObject({
      state: 'running',
      instanceType: 't3.micro',
      memoryMiB: 1024,
      target: suspect.target,
    });
    expect(facts.tags).toEqual({ Name: 'app-server' });
    expect(root).toMatchObject({ device: '/dev/xvda', root: true, sizeGiB: 1, deleteOnTermination: true });
    expect(root!.key).toBeUndefined();
    expect(shared!.key).toEqual({ keyArn: keys.shared, manager: 'CUSTOMER', enabled: true, usableByForensics: true });
    expect(unshared!.key).toMatchObject({ keyArn: keys.unshared, manager: 'CUSTOMER', usableByForensics: false });
    expect(standard!.key).toMatchObject({ manager: 'AWS', usableByForensics: false });
    expect(facts.volumes.map((volume) => volume.volumeId)).toEqual([...suspect.volumeIds].sort());
    expect(facts.networkInterfaces.map((eni) => eni.networkInterfaceId)).toEqual(suspect.networkInterfaceIds);
    expect(facts.networkInterfaces[1]).toMatchObject({ vpcId: network.vpcId, groups: [network.groupId] });
    expect(facts.protection).toEqual({
      apiTerminationDisabled: false,
      apiStopDisabled: false,
      shutdownBehavior: 'terminate',
    });
    expect(facts.unreadable).toBeUndefined();
    expect(decision).toMatchObject({ acquireMemory: true, acquireDisks: true, isolation: 'after-memory' });
  });

  it('has no agent on record: disks and isolation go on, memory has its reason (AFO D1)', async () => {
    const { facts } = await assess();
    expect(facts.agent).toEqual({ state: 'unavailable', reason: expect.stringContaining('no record') as string });
    expect(facts.volumes).toHaveLength(4);
    expect(lab.agents.asked).toEqual([suspect.target.instanceId]);
  });

  it('asks for this instance only and reads its platform (AFO D8)', async () => {
    lab.agents.body = {
      InstanceInformationList: [
        {
          InstanceId: suspect.target.instanceId,
          PingStatus: 'Online',
          PlatformType: 'Linux',
          PlatformName: 'Amazon Linux',
          PlatformVersion: '2023',
        },
      ],
    };
    expect((await assess()).facts.agent).toEqual({
      state: 'online',
      platform: 'Linux',
      platformName: 'Amazon Linux',
      platformVersion: '2023',
    });
    expect(lab.agents.asked).toEqual([suspect.target.instanceId]);
  });

  it('has an agent that went dark: a state with its reason (AFO A10)', async () => {
    lab.agents.body = {
      InstanceInformationList: [
        { InstanceId: suspect.target.instanceId, PingStatus: 'ConnectionLost', LastPingDateTime: 1795300000 },
      ],
    };
    expect((await assess()).facts.agent).toEqual({
      state: 'unavailable',
      reason: 'the SSM agent is ConnectionLost; it was last heard of at 2026-11-21T22:26:40.000Z',
    });
  });

  it('may not ask Systems Manager: a reason, not a failure', async () => {
    Object.assign(lab.agents, { status: 400, body: { __type: 'AccessDeniedException', message: 'no' } });
    const { facts } = await assess();
    expect(facts.agent).toMatchObject({
      state: 'unavailable',
      reason: expect.stringMatching(/AccessDenied/) as string,
    });
  });

  it('retries a throttled side fact for some attempts, then settles for the reason', async () => {
    Object.assign(lab.agents, { status: 400, body: { __type: 'ThrottlingException', message: 'slow' } });
    expect((await failureOf(assess(suspect.target, 1))).type).toBe('Throttled');
    expect((await assess(suspect.target, 9)).facts.agent).toMatchObject({ state: 'unavailable' });
  });

  it('cannot read a key or an attribute: noted, with the safe value', async () => {
    await lab.aws.lab.setFaults([
      { service: 'kms', action: 'DescribeKey', code: 'AccessDeniedException', times: 50 },
      { action: 'DescribeInstanceAttribute', code: 'UnauthorizedOperation', times: 50 },
      { action: 'DescribeInstanceTypes', code: 'UnauthorizedOperation', times: 50 },
    ]);
    const { facts } = await runActivity(
      (input: Parameters<TriageActivities['triageInstance']>[0]) => createTriageActivities(lab).triageInstance(input),
      { caseId: CASE_ID, request: caseRequest(suspect.target) },
    );
    expect(facts.volumes.flatMap((volume) => volume.key?.usableByForensics ?? [])).toEqual([false, false, false]);
    expect(facts.protection.shutdownBehavior).toBe('terminate');
    expect(facts.memoryMiB).toBe(0);
    expect(facts.unreadable).toHaveLength(7);
    expect(facts.unreadable!.join()).toMatch(/disableApiStop.*role’s policy/);
  });

  it('does not know the instance: InstanceNotFound, final, with what to check', async () => {
    const failure = await failureOf(assess({ ...suspect.target, instanceId: 'i-0123456789abcdef0' }));
    expect(failure).toMatchObject({ type: 'InstanceNotFound', nonRetryable: true });
    expect(failure.message).toMatch(/i-0123456789abcdef0 of account 111122223333.*check account, Region/);
  });

  it('finds the instance terminated: InstanceNotFound', async () => {
    const other = await launchSuspect(lab, network);
    await lab.aws.member.ec2.send(new TerminateInstancesCommand({ InstanceIds: [other.target.instanceId] }));
    const failure = await failureOf(assess(other.target));
    expect(failure).toMatchObject({ type: 'InstanceNotFound', nonRetryable: true });
    expect(failure.message).toContain('is terminated');
  });

  it('lost a volume meanwhile: reads the others', async () => {
    const other = await launchSuspect(lab, network, { keys });
    const VolumeId = other.volumeIds[3]!;
    await lab.aws.member.ec2.send(new DetachVolumeCommand({ VolumeId }));
    await lab.aws.member.ec2.send(new DeleteVolumeCommand({ VolumeId }));
    expect((await assess(other.target)).facts.volumes.map((volume) => volume.volumeId)).toEqual(
      other.volumeIds.slice(0, 3).sort(),
    );
  });

  it('refuses an instance of another Region instead of asking its own (AFO D5)', async () => {
    const failure = await failureOf(assess({ ...suspect.target, region: 'eu-west-1' }));
    expect(failure).toMatchObject({ type: 'InvalidRequest', nonRetryable: true });
    expect(failure.message).toMatch(/in eu-west-1 and this worker serves us-east-1/);
  });

  it('is throttled: retryable, with a delay', async () => {
    await lab.aws.lab.setFaults([{ action: 'DescribeInstances', code: 'RequestLimitExceeded', times: 3 }]);
    const failure = await failureOf(assess());
    expect(failure).toMatchObject({ type: 'Throttled', nonRetryable: false });
    expect(failure.nextRetryDelay).toMatch(/seconds/);
    expect((await assess()).facts.state).toBe('running');
  });
});
