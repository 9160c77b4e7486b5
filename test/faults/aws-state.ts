import {
  DescribeAddressesCommand,
  DescribeInstanceAttributeCommand,
  DescribeInstancesCommand,
  DescribeLockedSnapshotsCommand,
  DescribeNetworkAclsCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSnapshotAttributeCommand,
  DescribeSnapshotsCommand,
  DescribeVolumesCommand,
  type InstanceAttributeName,
  type Tag,
} from '@aws-sdk/client-ec2';
import {
  GetRolePolicyCommand,
  ListAttachedRolePoliciesCommand,
  ListInstanceProfilesCommand,
  ListRolePoliciesCommand,
  ListRolesCommand,
} from '@aws-sdk/client-iam';
import { ListAliasesCommand, ListKeysCommand } from '@aws-sdk/client-kms';
import {
  HeadObjectCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
} from '@aws-sdk/client-s3';
import { paginateListCommands } from '@aws-sdk/client-ssm';
import { DynamoDBDocumentClient, paginateScan } from '@aws-sdk/lib-dynamodb';
import type { AccountClients } from '../../lab/seed/account-clients';

/** Everything in an account that a case could make or change: what it is, and what it is like. */
export type Resources = Map<string, unknown>;

/** Reads an account whole, and not by the case's tags: what lost its tag must show too. */
export async function readResources(account: AccountClients, caseTable?: string): Promise<Resources> {
  const resources: Resources = new Map();
  const add = (kind: string, id: string | undefined, value: unknown): void => {
    resources.set(`${kind}${BEHIND_KIND}${id ?? ''}`, value);
  };
  await Promise.all([
    readInstances(account, add),
    readVolumes(account, add),
    readSnapshots(account, add),
    readNetwork(account, add),
    readIdentities(account, add),
    readCommands(account, add),
    readObjects(account, add),
    ...(caseTable === undefined ? [] : [readTable(account, caseTable, add)]),
  ]);
  return resources;
}

const BEHIND_KIND = ': ';

type Add = (kind: string, id: string | undefined, value: unknown) => void;

const tagsOf = (tags: Tag[] | undefined): string[] => (tags ?? []).map(({ Key, Value }) => `${Key}=${Value}`).sort();

async function readInstances({ ec2 }: AccountClients, add: Add): Promise<void> {
  const { Reservations: reservations } = await ec2.send(new DescribeInstancesCommand({}));
  for (const instance of (reservations ?? []).flatMap((reservation) => reservation.Instances ?? [])) {
    const state = instance.State?.Name;
    const attribute = async (Attribute: InstanceAttributeName): Promise<unknown> =>
      state === 'terminated'
        ? undefined
        : ec2.send(new DescribeInstanceAttributeCommand({ InstanceId: instance.InstanceId, Attribute }));
    const [termination, stop, shutdown] = (await Promise.all([
      attribute('disableApiTermination'),
      attribute('disableApiStop'),
      attribute('instanceInitiatedShutdownBehavior'),
    ])) as [
      { DisableApiTermination?: unknown }?,
      { DisableApiStop?: unknown }?,
      { InstanceInitiatedShutdownBehavior?: unknown }?,
    ];
    add('instance', instance.InstanceId, {
      state,
      type: instance.InstanceType,
      profile: instance.IamInstanceProfile?.Arn,
      metadata: instance.MetadataOptions?.HttpEndpoint,
      disks:
        state === 'terminated'
          ? []
          : instance.BlockDeviceMappings?.map(({ DeviceName, Ebs }) => [
              DeviceName,
              Ebs?.VolumeId,
              Ebs?.DeleteOnTermination,
            ]),
      protection: [
        termination?.DisableApiTermination,
        stop?.DisableApiStop,
        shutdown?.InstanceInitiatedShutdownBehavior,
      ],
      tags: tagsOf(instance.Tags),
    });
  }
}

async function readVolumes({ ec2 }: AccountClients, add: Add): Promise<void> {
  const { Volumes: volumes } = await ec2.send(new DescribeVolumesCommand({}));
  for (const { VolumeId, State, SnapshotId, Attachments, Tags } of volumes ?? [])
    add('volume', VolumeId, {
      State,
      SnapshotId,
      on: Attachments?.map(({ InstanceId }) => InstanceId),
      tags: tagsOf(Tags),
    });
}

async function readSnapshots({ ec2 }: AccountClients, add: Add): Promise<void> {
  const { Snapshots: snapshots } = await ec2.send(new DescribeSnapshotsCommand({ OwnerIds: ['self'] }));
  const { Snapshots: locked } = await ec2.send(new DescribeLockedSnapshotsCommand({}));
  for (const { SnapshotId, VolumeId, State, Encrypted, KmsKeyId, VolumeSize, Tags } of snapshots ?? []) {
    const { CreateVolumePermissions: shares } = await ec2.send(
      new DescribeSnapshotAttributeCommand({ SnapshotId, Attribute: 'createVolumePermission' }),
    );
    const lock = locked?.find((one) => one.SnapshotId === SnapshotId);
    add('snapshot', SnapshotId, {
      VolumeId,
      State,
      Encrypted,
      KmsKeyId,
      VolumeSize,
      shares: shares?.map(({ UserId, Group }) => UserId ?? Group),
      lock: lock && [lock.LockState, lock.LockDuration],
      tags: tagsOf(Tags),
    });
  }
}

async function readNetwork({ ec2 }: AccountClients, add: Add): Promise<void> {
  const { SecurityGroups: groups } = await ec2.send(new DescribeSecurityGroupsCommand({}));
  const name = new Map((groups ?? []).map((group) => [group.GroupId, group.GroupName]));
  for (const group of groups ?? [])
    add('security group', group.GroupId, {
      name: group.GroupName,
      vpc: group.VpcId,
      ingress: group.IpPermissions,
      egress: group.IpPermissionsEgress,
      tags: tagsOf(group.Tags),
    });
  const { NetworkInterfaces: interfaces } = await ec2.send(new DescribeNetworkInterfacesCommand({}));
  for (const one of interfaces ?? [])
    add('network interface', one.NetworkInterfaceId, {
      on: one.Attachment?.InstanceId,
      groups: one.Groups?.map(({ GroupId }) => name.get(GroupId)).sort(),
      publicAddress: one.Association !== undefined,
      ipv6: one.Ipv6Addresses?.length,
    });
  const { Addresses: addresses } = await ec2.send(new DescribeAddressesCommand({}));
  for (const one of addresses ?? []) add('address', one.AllocationId, { on: one.InstanceId, tags: tagsOf(one.Tags) });
  const { NetworkAcls: lists } = await ec2.send(new DescribeNetworkAclsCommand({}));
  for (const one of lists ?? [])
    add('network ACL', one.NetworkAclId, {
      subnets: one.Associations?.map(({ SubnetId }) => SubnetId),
      entries: one.Entries,
    });
}

async function readIdentities({ iam, kms }: AccountClients, add: Add): Promise<void> {
  const { Roles: roles } = await iam.send(new ListRolesCommand({}));
  for (const { RoleName } of roles ?? []) {
    const { PolicyNames: names } = await iam.send(new ListRolePoliciesCommand({ RoleName }));
    const { AttachedPolicies: attached } = await iam.send(new ListAttachedRolePoliciesCommand({ RoleName }));
    const inline = await Promise.all(
      (names ?? []).map(
        async (PolicyName) => (await iam.send(new GetRolePolicyCommand({ RoleName, PolicyName }))).PolicyDocument,
      ),
    );
    add('role', RoleName, { names, inline, attached: attached?.map(({ PolicyName }) => PolicyName) });
  }
  const { InstanceProfiles: profiles } = await iam.send(new ListInstanceProfilesCommand({}));
  for (const one of profiles ?? [])
    add(
      'instance profile',
      one.InstanceProfileName,
      one.Roles?.map(({ RoleName }) => RoleName),
    );
  const { Keys: keys } = await kms.send(new ListKeysCommand({}));
  const { Aliases: aliases } = await kms.send(new ListAliasesCommand({}));
  // AWS makes its own keys when they are used for the first time, whoever does.
  const ofAws = new Set(
    aliases?.filter(({ AliasName }) => AliasName?.startsWith('alias/aws/')).map((one) => one.TargetKeyId),
  );
  for (const { KeyId } of keys ?? []) if (!ofAws.has(KeyId)) add('key', KeyId, {});
}

async function readCommands({ ssm }: AccountClients, add: Add): Promise<void> {
  for await (const page of paginateListCommands({ client: ssm }, {}))
    for (const one of page.Commands ?? []) {
      const { DocumentName, DocumentVersion, Comment, Status, InstanceIds } = one;
      add('command', one.CommandId, { DocumentName, DocumentVersion, Comment, Status, InstanceIds });
    }
}

async function readObjects({ s3 }: AccountClients, add: Add): Promise<void> {
  const { Buckets: buckets } = await s3.send(new ListBucketsCommand({}));
  for (const { Name: Bucket } of buckets ?? []) {
    const { Versions, DeleteMarkers } = await s3.send(new ListObjectVersionsCommand({ Bucket }));
    for (const { Key, VersionId } of Versions ?? []) {
      const head = await s3.send(new HeadObjectCommand({ Bucket, Key, ...(VersionId !== 'null' && { VersionId }) }));
      add('object version', `${Bucket}/${Key}@${VersionId}`, {
        Bucket,
        Key,
        lock: head.ObjectLockMode,
        key: head.SSEKMSKeyId,
      });
    }
    for (const { Key, VersionId } of DeleteMarkers ?? [])
      add('delete marker', `${Bucket}/${Key}@${VersionId}`, { Bucket, Key });
    const { Uploads: uploads } = await s3.send(new ListMultipartUploadsCommand({ Bucket }));
    for (const { Key, UploadId } of uploads ?? []) add('open upload', `${Bucket}/${Key}@${UploadId}`, { Bucket, Key });
  }
}

/** Entries of the custody log are compared by what they tell of, since their order and numbers depend on who came first. */
async function readTable({ dynamodb }: AccountClients, TableName: string, add: Add): Promise<void> {
  const client = DynamoDBDocumentClient.from(dynamodb);
  for await (const page of paginateScan({ client }, { TableName, ConsistentRead: true }))
    for (const item of page.Items ?? []) {
      const { PK, SK, entity, kind, phase, step, exhibit, actor, data, notificationFailure, status, outcome } = item;
      if (entity === 'event' && kind === 'act') {
        // A step that two attempts share may tell of its parts in one entry or in two; of each step something is told.
        add('act', `${PK} ${step} ${exhibit?.id}`, { PK, step, exhibit });
        if (data?.changesSuspect)
          add('change of the suspect', `${PK} ${data.change}`, { PK, step, change: data.change });
      } else if (entity === 'event')
        add('event', `${PK} ${SK}`, { PK, kind, phase, exhibit, actor, notificationFailure });
      else if (entity === 'case') add('case', `${PK} ${SK}`, { status, outcome });
      else if (entity === 'custody-log') add('custody log', `${PK} ${SK}`, { PK });
      // One an entry, which custodyProblems counts.
      else if (entity === 'written') continue;
      else add('table item', `${PK} ${SK}`, { ...item, SK: String(SK).replace(/\d{6}/, '<n>') });
    }
}

/** What was added, changed or removed between two readings, as lines that are equal for two equal cases. */
export function footprint(before: Resources, after: Resources, names: ReadonlyMap<string, string>): string[] {
  const lines: string[] = [];
  for (const [id, value] of after) {
    const text = JSON.stringify(value);
    const [kind] = id.split(BEHIND_KIND, 1);
    if (!before.has(id)) lines.push(`new ${kind} ${anonymous(text, names)}`);
    else if (JSON.stringify(before.get(id)) !== text) lines.push(`changed ${anonymous(`${id} ${text}`, names)}`);
  }
  for (const id of before.keys()) if (!after.has(id)) lines.push(`removed ${anonymous(id, names)}`);
  return lines.sort();
}

/** Ids that differ from case to case, by the part that they play. */
function anonymous(text: string, names: ReadonlyMap<string, string>): string {
  let named = text;
  for (const [id, name] of names) named = named.replaceAll(id, name);
  return named
    .replace(/\b(i|vol|snap|eni|sg|vpc|subnet|ami|acl|eipalloc|eipassoc)-[0-9a-f]{8,17}\b/g, '<$1>')
    .replace(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, '<uuid>')
    .replace(/\b[0-9a-f]{64}\b/g, '<digest>')
    .replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z\b/g, '<time>');
}

export interface Difference {
  line: string;
  /** How often it is in the undisturbed run, and in the one whose worker was killed. */
  undisturbed: number;
  killed: number;
}

/** Lines that are not equally often in both. */
export function differences(undisturbed: readonly string[], killed: readonly string[]): Difference[] {
  const count = (lines: readonly string[], line: string): number => lines.filter((one) => one === line).length;
  return [...new Set([...undisturbed, ...killed])]
    .map((line) => ({ line, undisturbed: count(undisturbed, line), killed: count(killed, line) }))
    .filter((one) => one.undisturbed !== one.killed)
    .sort((a, b) => a.line.localeCompare(b.line));
}
