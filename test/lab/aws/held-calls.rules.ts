import { CreateVolumeCommand, DescribeVolumesCommand } from '@aws-sdk/client-ec2';
import { CreateBucketCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HeldCall } from '../../../lab/aws/emulator-client';
import { type AccountClients, type EmulatedAws, refusal, sharedEmulatedAws } from './emulated-aws';

let aws: EmulatedAws;
let member: AccountClients;

beforeAll(async () => {
  aws = await sharedEmulatedAws();
  ({ member } = aws);
});

/** Of every caller in these tests: the SDK names itself so. */
const ANYBODY = 'aws-sdk-js';

describe('held calls', () => {
  afterEach(() => aws.lab.releaseChanges());

  const makeVolume = () => member.ec2.send(new CreateVolumeCommand({ AvailabilityZone: 'us-east-1a', Size: 1 }));
  const volumes = async () => (await member.ec2.send(new DescribeVolumesCommand({}))).Volumes!.length;

  async function held(stage: HeldCall['stage']): Promise<HeldCall> {
    for (;;) {
      const found = (await aws.lab.heldCalls()).find((call) => call.stage === stage);
      if (found) return found;
      await sleep(20);
    }
  }

  it('a dropped one was never carried out; reads are not held', async () => {
    const before = await volumes();
    await aws.lab.holdChangesOf(ANYBODY);
    const making = refusal(makeVolume());
    const call = await held('before');
    expect(call).toMatchObject({ service: 'ec2', action: 'CreateVolume', parameters: { Size: 1 } });
    expect(await volumes()).toBe(before);
    await aws.lab.decideHeldCalls({ [call.number]: 'drop' });
    expect(await making).toBe('CallDropped');
    expect(await volumes()).toBe(before);
  });

  it('one that goes on to its answer is carried out, and answered when it may', async () => {
    const before = await volumes();
    await aws.lab.holdChangesOf(ANYBODY);
    const making = makeVolume();
    const { number } = await held('before');
    await aws.lab.decideHeldCalls({ [number]: 'carry-out' });
    expect(await held('after')).toMatchObject({ number, action: 'CreateVolume' });
    expect(await volumes()).toBe(before + 1);
    await aws.lab.decideHeldCalls({ [number]: 'go' });
    expect((await making).VolumeId).toBeDefined();
    expect(await aws.lab.heldCalls()).toEqual([]);
  });

  it('calls on S3 too, and of the named caller only', async () => {
    const Bucket = `held-${Date.now()}`;
    await aws.lab.holdChangesOf('somebody-else/');
    await member.s3.send(new CreateBucketCommand({ Bucket }));
    await aws.lab.holdChangesOf(ANYBODY);
    const putting = member.s3.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'b' }));
    const call = await held('before');
    expect(call).toMatchObject({ service: 's3', action: 'PutObject', parameters: { Bucket, Key: 'a' } });
    expect((await member.s3.send(new ListObjectsV2Command({ Bucket }))).KeyCount).toBe(0);
    await aws.lab.releaseChanges();
    await putting;
    expect((await member.s3.send(new ListObjectsV2Command({ Bucket }))).KeyCount).toBe(1);
  });

  it('a verdict that there is not is refused', async () => {
    // As somebody would send it who does not go through the types.
    const answer = await fetch(`${aws.lab.url}/moto-api/lab/held`, { method: 'POST', body: '{"1": "perhaps"}' });
    expect(answer.status).toBe(400);
  });
});
