import {
  CopySnapshotCommand,
  DescribeSnapshotAttributeCommand,
  ModifySnapshotAttributeCommand,
  type Snapshot,
} from '@aws-sdk/client-ec2';
import { CreateGrantCommand, type GrantOperation } from '@aws-sdk/client-kms';
import { documented } from './documented';
import { BLOCK_SIZE, policyDocument, type PolicyStatement } from './resources';
import { target } from './target';
import { outcome, untilOutcome } from './waiting';

/** What the EBS User Guide lists for accounts with which an encrypted snapshot is shared. */
const USE_THE_KEY = ['kms:DescribeKey', 'kms:CreateGrant', 'kms:GenerateDataKey*', 'kms:ReEncrypt*', 'kms:Decrypt'];

const share = (SnapshotId: string, change: 'add' | 'remove' = 'add') =>
  target().member.ec2.send(
    new ModifySnapshotAttributeCommand({
      SnapshotId,
      Attribute: 'createVolumePermission',
      OperationType: change,
      UserIds: [target().forensics.accountId],
    }),
  );

const startCopy = async (SourceSnapshotId: string, KmsKeyId?: string): Promise<string> => {
  const { forensics, resources, region } = target();
  const { SnapshotId } = await forensics.ec2.send(
    new CopySnapshotCommand({
      SourceRegion: region,
      SourceSnapshotId,
      ...(KmsKeyId !== undefined && { Encrypted: true, KmsKeyId }),
    }),
  );
  resources.endSnapshot(forensics, SnapshotId!);
  return SnapshotId!;
};

/** The copy that the forensics account makes under a key of its own, once it has ended. */
const copied = async (snapshotId: string): Promise<Snapshot> => {
  const { forensics, resources } = target();
  const key = await resources.key(forensics);
  return resources.settledSnapshot(forensics, await startCopy(snapshotId, key));
};

/** A shared snapshot of the member account under a key whose policy lets the other account do this. */
const sharedUnder = async (...actions: string[]): Promise<{ snapshotId: string; key: string }> => {
  const { member, forensics, resources } = target();
  const owner: PolicyStatement = {
    Effect: 'Allow',
    Principal: { AWS: member.rootArn },
    Action: 'kms:*',
    Resource: '*',
  };
  const other: PolicyStatement[] =
    actions.length === 0
      ? []
      : [{ Effect: 'Allow', Principal: { AWS: forensics.rootArn }, Action: actions, Resource: '*' }];
  const key = await resources.key(member, policyDocument(owner, ...other));
  const snapshotId = await resources.writtenSnapshot(member, new Map([[0, Buffer.alloc(BLOCK_SIZE, 's')]]), key);
  await share(snapshotId);
  return { snapshotId, key };
};

describe('sharing EBS snapshots', () => {
  documented(
    'Amazon EC2 API Reference: ModifySnapshotAttribute',
    'snapshots encrypted with your default KMS key cannot be shared with other accounts',
    async () => {
      const { member, resources, zones } = target();
      const { VolumeId } = await resources.volume(member, {
        AvailabilityZone: zones[0],
        Encrypted: true,
        KmsKeyId: 'alias/aws/ebs',
      });
      const { SnapshotId } = await resources.snapshot(member, { VolumeId });
      expect(await outcome(share(SnapshotId!))).toBe('InvalidParameter');
    },
  );

  documented(
    'Amazon EC2 API Reference: DescribeSnapshotAttribute',
    'createVolumePermission: the users and groups that have the permissions for creating volumes from the snapshot',
    async () => {
      const { member, forensics, resources } = target();
      const SnapshotId = await resources.writtenSnapshot(member, new Map());
      const permissions = async () =>
        (
          await member.ec2.send(
            new DescribeSnapshotAttributeCommand({ SnapshotId, Attribute: 'createVolumePermission' }),
          )
        ).CreateVolumePermissions ?? [];
      expect(await permissions()).toEqual([]);
      await share(SnapshotId);
      expect(await permissions()).toEqual([{ UserId: forensics.accountId }]);
      await share(SnapshotId, 'remove');
      expect(await permissions()).toEqual([]);
    },
  );

  documented(
    'Amazon EC2 API Reference: ModifySnapshotAttribute',
    'encrypted snapshots cannot be made public',
    async () => {
      const { member } = target();
      const { snapshotId: SnapshotId } = await sharedUnder();
      const publish = new ModifySnapshotAttributeCommand({
        SnapshotId,
        Attribute: 'createVolumePermission',
        OperationType: 'add',
        GroupNames: ['all'],
      });
      expect(await outcome(member.ec2.send(publish))).not.toBe('accepted');
    },
  );

  documented(
    'Amazon EC2 API Reference: ModifySnapshotAttribute',
    'you may add or remove account IDs from the list of create volume permissions; who is not on it cannot find the snapshot',
    async () => {
      const { member, resources } = target();
      const snapshotId = await resources.writtenSnapshot(member, new Map());
      expect(await outcome(startCopy(snapshotId))).toBe('InvalidSnapshot.NotFound');
      await share(snapshotId);
      await untilOutcome('accepted', () => startCopy(snapshotId));
      await share(snapshotId, 'remove');
      await untilOutcome('InvalidSnapshot.NotFound', () => startCopy(snapshotId));
    },
  );

  documented(
    'Amazon EC2 API Reference: CopySnapshot',
    'a snapshot that is shared with you can be copied; the copy is yours, under the key that you name',
    async () => {
      const { member, forensics, resources } = target();
      const snapshotId = await resources.writtenSnapshot(member, new Map([[0, Buffer.alloc(BLOCK_SIZE, 's')]]));
      await share(snapshotId);
      const key = await resources.key(forensics);
      await untilOutcome('accepted', () => resources.describedSnapshot(forensics, snapshotId));
      const copy = await resources.settledSnapshot(forensics, await startCopy(snapshotId, key));
      expect(copy).toMatchObject({
        State: 'completed',
        OwnerId: forensics.accountId,
        Encrypted: true,
        KmsKeyId: key,
      });
    },
  );

  documented(
    'Amazon EBS User Guide: Share the KMS key used to encrypt a shared Amazon EBS snapshot',
    'when you share an encrypted snapshot, you must also share the customer managed key used to encrypt the snapshot',
    async () => {
      const { snapshotId } = await sharedUnder();
      expect(await copied(snapshotId)).toMatchObject({
        State: 'error',
        StateMessage: 'Given key ID is not accessible',
      });
    },
  );

  documented(
    'Amazon EBS User Guide: Share the KMS key used to encrypt a shared Amazon EBS snapshot',
    'the users need kms:DescribeKey, kms:CreateGrant, kms:GenerateDataKey, kms:ReEncrypt and kms:Decrypt on the key: with them a copy is made',
    async () => {
      const { snapshotId } = await sharedUnder(...USE_THE_KEY);
      expect((await copied(snapshotId)).State).toBe('completed');
    },
  );

  documented(
    'Amazon EBS User Guide: Share the KMS key used to encrypt a shared Amazon EBS snapshot',
    'the users need kms:DescribeKey, kms:CreateGrant, kms:GenerateDataKey, kms:ReEncrypt and kms:Decrypt on the key: kms:DescribeKey alone is not enough',
    async () => {
      const { snapshotId } = await sharedUnder('kms:DescribeKey');
      expect(await copied(snapshotId)).toMatchObject({
        State: 'error',
        StateMessage: 'Given key ID is not accessible',
      });
    },
  );

  documented(
    'AWS KMS Developer Guide: Grants in AWS KMS',
    'a grant allows the grantee principal the operations that it names, on one key',
    async () => {
      const { member, forensics } = target();
      const { snapshotId, key } = await sharedUnder();
      const Operations: GrantOperation[] = [
        'DescribeKey',
        'CreateGrant',
        'Decrypt',
        'ReEncryptFrom',
        'ReEncryptTo',
        'GenerateDataKeyWithoutPlaintext',
      ];
      await member.kms.send(new CreateGrantCommand({ KeyId: key, GranteePrincipal: forensics.rootArn, Operations }));
      expect((await copied(snapshotId)).State).toBe('completed');
    },
  );

  documented(
    'Amazon EC2 API Reference: DescribeSnapshots',
    'StateMessage: if a snapshot copy operation fails (for example, if the proper KMS permissions are not obtained) this field displays error state details',
    async () => {
      const { snapshotId } = await sharedUnder();
      expect((await copied(snapshotId)).StateMessage).toBeTruthy();
    },
  );
});
