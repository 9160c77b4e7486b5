import { createHash } from 'node:crypto';
import { constants, open } from 'node:fs/promises';
import path from 'node:path';
import {
  type Block,
  type EBSClient,
  GetSnapshotBlockCommand,
  ListChangedBlocksCommand,
  ListSnapshotBlocksCommand,
  type ListSnapshotBlocksCommandOutput,
} from '@aws-sdk/client-ebs';
import {
  CopySnapshotCommand,
  CreateSnapshotCommand,
  CreateVolumeCommand,
  DescribeSnapshotAttributeCommand,
  DescribeSnapshotsCommand,
  ModifySnapshotAttributeCommand,
  type Snapshot,
  waitUntilSnapshotCompleted,
} from '@aws-sdk/client-ec2';
import { CreateKeyCommand, DescribeKeyCommand } from '@aws-sdk/client-kms';
import { LAB_ACCOUNTS } from '../../../lab/config';
import { type AccountClients, type EmulatedAws, eventually, refusal, sharedEmulatedAws } from './emulated-aws';

const BLOCK = 512 * 1024;
const ZONE = 'us-east-1a';
let aws: EmulatedAws;
let member: AccountClients;
let forensics: AccountClients;

beforeAll(async () => {
  aws = await sharedEmulatedAws();
  ({ member, forensics } = aws);
});

async function volume(options: { encrypted?: boolean; key?: string; size?: number } = {}): Promise<string> {
  const made = await member.ec2.send(
    new CreateVolumeCommand({
      AvailabilityZone: ZONE,
      Size: options.size ?? 1,
      Encrypted: options.encrypted,
      KmsKeyId: options.key,
    }),
  );
  return made.VolumeId!;
}

async function snapshotOf(volumeId: string): Promise<string> {
  const made = await member.ec2.send(new CreateSnapshotCommand({ VolumeId: volumeId }));
  expect((await settled(member, made.SnapshotId!)).State).toBe('completed');
  return made.SnapshotId!;
}

async function described(account: AccountClients, snapshotId: string): Promise<Snapshot> {
  const { Snapshots } = await account.ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [snapshotId] }));
  return Snapshots![0]!;
}

function settled(account: AccountClients, snapshotId: string): Promise<Snapshot> {
  return eventually(
    () => described(account, snapshotId),
    (snapshot) => snapshot.State !== 'pending',
  );
}

function share(snapshotId: string): Promise<unknown> {
  return member.ec2.send(
    new ModifySnapshotAttributeCommand({
      SnapshotId: snapshotId,
      Attribute: 'createVolumePermission',
      OperationType: 'add',
      UserIds: [LAB_ACCOUNTS.forensics],
    }),
  );
}

async function copy(snapshotId: string, key?: string): Promise<string> {
  const made = await forensics.ec2.send(
    new CopySnapshotCommand({
      SourceRegion: 'us-east-1',
      SourceSnapshotId: snapshotId,
      Encrypted: true,
      KmsKeyId: key,
    }),
  );
  return made.SnapshotId!;
}

async function newKey(account: AccountClients): Promise<string> {
  return (await account.kms.send(new CreateKeyCommand({}))).KeyMetadata!.Arn!;
}

/** Writes into the disk of a volume, by block index, as an instance would. */
async function write(volumeId: string, blocks: Record<number, Buffer>): Promise<void> {
  const file = path.join(aws.dataFolder, 'volumes', `${volumeId}.img`);
  const image = await open(file, constants.O_RDWR | constants.O_CREAT);
  await image.truncate(2 ** 30);
  for (const [index, data] of Object.entries(blocks)) await image.write(data, 0, data.length, Number(index) * BLOCK);
  await image.close();
}

const filled = (size: number, seed: number) => Buffer.alloc(size, createHash('sha256').update(String(seed)).digest());

describe('states of snapshots', () => {
  it('CreateSnapshot answers pending; the state becomes completed with progress 100%', async () => {
    await aws.lab.hold('snapshots');
    const made = await member.ec2.send(new CreateSnapshotCommand({ VolumeId: await volume() }));
    expect(made.State).toBe('pending');
    const now = await described(member, made.SnapshotId!);
    expect(now.State).toBe('pending');
    expect(now.Progress).not.toBe('100%');
    await aws.lab.hold();
    await waitUntilSnapshotCompleted(
      { client: member.ec2, maxWaitTime: 60, minDelay: 1, maxDelay: 1 },
      { SnapshotIds: [made.SnapshotId!] },
    );
    const done = await described(member, made.SnapshotId!);
    expect(done).toMatchObject({ State: 'completed', Progress: '100%', VolumeSize: 1, FullSnapshotSizeInBytes: 0 });
    expect(done.CompletionTime).toBeInstanceOf(Date);
  });

  it('a pending snapshot can neither be copied nor made into a volume', async () => {
    await aws.lab.hold('snapshots');
    const { SnapshotId } = await member.ec2.send(new CreateSnapshotCommand({ VolumeId: await volume() }));
    const toVolume = new CreateVolumeCommand({ AvailabilityZone: ZONE, SnapshotId });
    const toCopy = new CopySnapshotCommand({ SourceRegion: 'us-east-1', SourceSnapshotId: SnapshotId });
    expect(await refusal(member.ec2.send(toVolume))).toBe('IncorrectState');
    expect(await refusal(member.ec2.send(toCopy))).toBe('IncorrectState');
  });

  it('a fault makes the snapshot of one volume end in error with its message', async () => {
    const [bad, good] = [await volume(), await volume()];
    const message = 'Internal error';
    await aws.lab.setFaults([{ action: 'CreateSnapshot', outcome: 'error', message, match: { VolumeId: bad } }]);
    const failed = await member.ec2.send(new CreateSnapshotCommand({ VolumeId: bad }));
    const fine = await member.ec2.send(new CreateSnapshotCommand({ VolumeId: good }));
    expect(await settled(member, failed.SnapshotId!)).toMatchObject({ State: 'error', StateMessage: message });
    expect(await settled(member, fine.SnapshotId!)).toMatchObject({ State: 'completed' });
  });
});

describe('sharing and copying between accounts', () => {
  it('a snapshot of another account is unknown until it is shared, and again after the sharing ends', async () => {
    const id = await snapshotOf(await volume());
    expect(await refusal(described(forensics, id))).toBe('InvalidSnapshot.NotFound');
    expect(await refusal(copy(id))).toBe('InvalidSnapshot.NotFound');
    await share(id);
    expect((await described(forensics, id)).OwnerId).toBe(LAB_ACCOUNTS.member);
    const permissions = await member.ec2.send(
      new DescribeSnapshotAttributeCommand({ SnapshotId: id, Attribute: 'createVolumePermission' }),
    );
    expect(permissions.CreateVolumePermissions).toEqual([{ UserId: LAB_ACCOUNTS.forensics }]);
    await member.ec2.send(
      new ModifySnapshotAttributeCommand({
        SnapshotId: id,
        CreateVolumePermission: { Remove: [{ UserId: LAB_ACCOUNTS.forensics }] },
      }),
    );
    expect(await refusal(described(forensics, id))).toBe('InvalidSnapshot.NotFound');
  });

  it('OwnerIds self, filters by tag, and pages of MaxResults are honoured', async () => {
    const made = await Promise.all(
      Array.from({ length: 7 }, async () =>
        member.ec2.send(
          new CreateSnapshotCommand({
            VolumeId: await volume(),
            TagSpecifications: [{ ResourceType: 'snapshot', Tags: [{ Key: 'case', Value: 'paging' }] }],
          }),
        ),
      ),
    );
    const found: string[] = [];
    let NextToken: string | undefined;
    do {
      const page = await member.ec2.send(
        new DescribeSnapshotsCommand({
          OwnerIds: ['self'],
          Filters: [{ Name: 'tag:case', Values: ['paging'] }],
          MaxResults: 5,
          NextToken,
        }),
      );
      expect(page.Snapshots!.length).toBeLessThanOrEqual(5);
      found.push(...page.Snapshots!.map((one) => one.SnapshotId!));
      NextToken = page.NextToken;
    } while (NextToken);
    expect(found.sort()).toEqual(made.map((one) => one.SnapshotId!).sort());
    const foreign = await forensics.ec2.send(new DescribeSnapshotsCommand({ OwnerIds: ['self'] }));
    expect(foreign.Snapshots!.filter((one) => one.OwnerId !== LAB_ACCOUNTS.forensics)).toEqual([]);
  });

  it('a copy is the copier’s own, under the key it names', async () => {
    const id = await snapshotOf(await volume());
    await share(id);
    const key = await newKey(forensics);
    const copied = await settled(forensics, await copy(id, key));
    expect(copied).toMatchObject({ State: 'completed', Encrypted: true, KmsKeyId: key, VolumeSize: 1 });
    expect(copied.OwnerId).toBe(LAB_ACCOUNTS.forensics);
  });

  it('a snapshot under aws/ebs cannot be shared; the key is AWS-managed and made at first use', async () => {
    const id = await snapshotOf(await volume({ encrypted: true }));
    expect(await refusal(share(id))).toBe('InvalidParameter');
    const { KeyMetadata } = await member.kms.send(new DescribeKeyCommand({ KeyId: 'alias/aws/ebs' }));
    expect(KeyMetadata).toMatchObject({ KeyManager: 'AWS', AWSAccountId: LAB_ACCOUNTS.member });
    expect((await described(member, id)).KmsKeyId).toBe(KeyMetadata!.Arn);
    const own = await forensics.kms.send(new DescribeKeyCommand({ KeyId: 'alias/aws/ebs' }));
    expect(own.KeyMetadata!.Arn).not.toBe(KeyMetadata!.Arn);
  });

  it('a fault makes the copy of one snapshot end in error', async () => {
    const id = await snapshotOf(await volume());
    await share(id);
    const message = 'Given key ID is not accessible';
    await aws.lab.setFaults([
      { service: 'ec2', action: 'CopySnapshot', outcome: 'error', message, match: { SourceSnapshotId: id } },
    ]);
    expect(await settled(forensics, await copy(id))).toMatchObject({ State: 'error', StateMessage: message });
    expect(await settled(forensics, await copy(id))).toMatchObject({ State: 'completed' });
  });

  it('"Concurrent snapshot copies per destination Region: 20": of 23 calls at one instant 20 are accepted', async () => {
    const id = await snapshotOf(await volume());
    await share(id);
    await aws.lab.hold('copies');
    const answers = await Promise.allSettled(Array.from({ length: 23 }, () => copy(id)));
    const refused = answers.flatMap((one) => (one.status === 'rejected' ? [(one.reason as Error).name] : []));
    expect(refused).toEqual(Array.from({ length: 3 }, () => 'ResourceLimitExceeded'));
    const accepted = answers.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    await aws.lab.hold();
    const states = await Promise.all(accepted.map((copied) => settled(forensics, copied)));
    expect(new Set(states.map((one) => one.State))).toEqual(new Set(['completed']));
    expect((await settled(forensics, await copy(id))).State).toBe('completed');
  });

  it('"Snapshots created by CopySnapshot have an arbitrary volume ID that should not be used for any purpose"', async () => {
    const source = await volume();
    const id = await snapshotOf(source);
    const copied = await member.ec2.send(
      new CopySnapshotCommand({ SourceRegion: 'us-east-1', SourceSnapshotId: id, Description: 'copy' }),
    );
    expect((await described(member, copied.SnapshotId!)).VolumeId).toBe('vol-ffffffff');
    expect((await described(member, id)).VolumeId).toBe(source);
  });

  it('more than 5 snapshots of one volume under way are refused with ConcurrentSnapshotLimitExceeded', async () => {
    const VolumeId = await volume();
    const take = () => member.ec2.send(new CreateSnapshotCommand({ VolumeId }));
    await aws.lab.hold('snapshots');
    for (let taken = 0; taken < 5; taken += 1) await take();
    expect(await refusal(take())).toBe('ConcurrentSnapshotLimitExceeded');
  });
});

describe('bytes', () => {
  async function readOut(ebs: EBSClient, snapshotId: string, maxResults?: number) {
    const blocks = new Map<number, Buffer>();
    let pages = 0;
    let NextToken: string | undefined;
    do {
      const page: ListSnapshotBlocksCommandOutput = await ebs.send(
        new ListSnapshotBlocksCommand({ SnapshotId: snapshotId, MaxResults: maxResults, NextToken }),
      );
      pages += 1;
      expect(page.BlockSize).toBe(BLOCK);
      const read = async ({ BlockIndex, BlockToken }: Block) => {
        const block = await ebs.send(new GetSnapshotBlockCommand({ SnapshotId: snapshotId, BlockIndex, BlockToken }));
        const data = Buffer.from(await block.BlockData!.transformToByteArray());
        expect(block.ChecksumAlgorithm).toBe('SHA256');
        expect(block.Checksum).toBe(createHash('sha256').update(data).digest('base64'));
        expect(data.length).toBe(BLOCK);
        return [BlockIndex!, data] as const;
      };
      for (const [index, data] of await Promise.all(page.Blocks!.map(read))) blocks.set(index, data);
      NextToken = page.NextToken;
    } while (NextToken);
    return { blocks, pages };
  }

  it('a snapshot holds the bytes of the instant of the call, and reads out bit-identical from its copy', async () => {
    const id = await volume();
    await write(id, { 0: filled(BLOCK, 1), 1900: filled(4096, 2) });
    const { SnapshotId } = await member.ec2.send(new CreateSnapshotCommand({ VolumeId: id }));
    await write(id, { 0: filled(BLOCK, 3) }); // after the call, while the snapshot is pending
    await settled(member, SnapshotId!);
    await share(SnapshotId!);
    const copied = await copy(SnapshotId!, await newKey(forensics));
    await settled(forensics, copied);
    const { blocks } = await readOut(forensics.ebs, copied);
    expect([...blocks.keys()]).toEqual([0, 1900]);
    expect(blocks.get(0)!.equals(filled(BLOCK, 1))).toBe(true);
    expect(blocks.get(1900)!.subarray(0, 4096).equals(filled(4096, 2))).toBe(true);
    const restored = await forensics.ec2.send(new CreateVolumeCommand({ AvailabilityZone: ZONE, SnapshotId: copied }));
    const image = await open(path.join(aws.dataFolder, 'volumes', `${restored.VolumeId!}.img`));
    const { buffer } = await image.read(Buffer.alloc(BLOCK), 0, BLOCK, 0);
    const { size, blocks: allocated } = await image.stat();
    await image.close();
    expect(buffer.equals(filled(BLOCK, 1))).toBe(true);
    expect(size).toBe(2 ** 30);
    expect(allocated * 512).toBeLessThan(4 * BLOCK); // sparse
  });

  it('ListSnapshotBlocks lists written blocks only, in pages of MaxResults', async () => {
    const id = await volume();
    const indexes = Array.from({ length: 250 }, (_, index) => index * 3);
    await write(id, Object.fromEntries(indexes.map((index) => [index, filled(4096, index)])));
    const { blocks, pages } = await readOut(member.ebs, await snapshotOf(id), 100);
    expect(pages).toBe(3);
    expect([...blocks.keys()]).toEqual(indexes);
  });

  it('ListChangedBlocks names the blocks in which two snapshots differ', async () => {
    const id = await volume();
    await write(id, { 2: filled(BLOCK, 1), 5: filled(BLOCK, 1) });
    const before = await snapshotOf(id);
    await write(id, { 5: filled(BLOCK, 2), 9: filled(BLOCK, 3) });
    const after = await snapshotOf(id);
    const { ChangedBlocks } = await member.ebs.send(
      new ListChangedBlocksCommand({ FirstSnapshotId: before, SecondSnapshotId: after }),
    );
    expect(ChangedBlocks!.map((block) => block.BlockIndex)).toEqual([5, 9]);
  });

  it('EBS direct APIs refuse snapshots of others, pending ones, foreign keys and wrong tokens', async () => {
    const id = await snapshotOf(await volume());
    const list = (account: AccountClients, SnapshotId: string) =>
      account.ebs.send(new ListSnapshotBlocksCommand({ SnapshotId }));
    expect(await refusal(list(forensics, id))).toBe('ResourceNotFoundException');
    await aws.lab.hold('snapshots');
    const { SnapshotId } = await member.ec2.send(new CreateSnapshotCommand({ VolumeId: await volume() }));
    expect(await refusal(list(member, SnapshotId!))).toBe('ValidationException');
    await aws.lab.hold();
    const locked = await snapshotOf(await volume({ encrypted: true, key: await newKey(member) }));
    await share(locked);
    expect(await refusal(list(forensics, locked))).toBe('AccessDeniedException');
    const wrong = new GetSnapshotBlockCommand({ SnapshotId: id, BlockIndex: 0, BlockToken: 'bm8=' });
    expect(await refusal(member.ebs.send(wrong))).toBe('ValidationException');
  });
});
