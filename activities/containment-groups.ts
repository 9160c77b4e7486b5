import {
  AuthorizeSecurityGroupEgressCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  DescribeVpcsCommand,
  type IpPermission,
  paginateDescribeSecurityGroups,
  RevokeSecurityGroupEgressCommand,
  RevokeSecurityGroupIngressCommand,
  type SecurityGroup,
} from '@aws-sdk/client-ec2';
import { sleep } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { CustodyFacts } from '../domain/custody/facts';
import type { AccountClients } from './aws/clients';
import { awsCode, awsStep, type CallOptions } from './aws/errors';
import { CASE_TAG, clientToken, ROLE_TAG } from './aws/idempotency';
import { noteAct } from './custody-acts';
import { type Rule, ruleChanges, rulesOf, singleRules } from './aws/security-group-rules';

/**
 * `isolation`: no ingress, egress to the VPC's own addresses on TCP 443 only, so that the SSM agent reaches its endpoints.
 * `isolation-full`: no rule at all.
 * `untrack`: everything, both directions, IPv4 and IPv6: connections become untracked and end when the group goes.
 */
export type SecurityGroupKind = 'isolation' | 'isolation-full' | 'untrack';

const DESCRIPTIONS: Record<SecurityGroupKind, string> = {
  isolation: 'Forensics: isolates an instance; HTTPS to endpoints inside the VPC only',
  'isolation-full': 'Forensics: isolates an instance; nothing in, nothing out',
  untrack: 'Forensics: attached for a moment before isolation, so that open connections end',
};

/** A group that lost the race for its name needs a moment to appear in EC2's listing. Milliseconds between looks. */
const LISTING_WAITS_MS = [0, 500, 1500];
/** Two cases may repair one group at once; each looks again after its repair. */
const REPAIRS = 3;

/**
 * The VPC's group of a kind, made if there is none, with exactly the rules it should have: compared and repaired at every
 * use, since a group that was altered (or whose default egress was never revoked) isolates nobody.
 * @returns the group's id, after its rules were read and found right.
 */
export async function containmentGroup(
  member: AccountClients,
  kind: SecurityGroupKind,
  vpcId: string,
  caseId: string,
  authority?: CustodyFacts['authority'],
): Promise<string> {
  const desired = await rulesFor(kind, member, vpcId);
  const tell = (message: string, data: Record<string, unknown>): void =>
    noteAct({ message, ...(authority && { authority }), data: { vpcId, ...data } });
  let found = await findGroup(member, kind, vpcId);
  if (!found) {
    found = await createGroup(member, kind, vpcId, caseId);
    tell(`Security group ${groupId(found)} (${kind}) was made in ${vpcId}`, { groupId: groupId(found), kind });
  }
  let group = found;
  for (let round = 1; ; round += 1) {
    const changes = ruleChanges(rulesOf(group), desired);
    if (changes.revoke.length + changes.authorize.length === 0) return groupId(group);
    if (round > REPAIRS) {
      throw ApplicationFailure.retryable(
        `security group ${groupId(group)} (${kind} of ${vpcId}) does not keep the rules it is given: somebody or something ` +
          'else changes it. Find out who by CloudTrail; it is tried again on its own',
        'Unavailable',
      );
    }
    await change(member, groupId(group), changes);
    tell(
      `The rules of security group ${groupId(group)} (${kind}) were set right: ` +
        `${changes.revoke.length} taken away, ${changes.authorize.length} added`,
      { groupId: groupId(group), revoked: changes.revoke.length, authorized: changes.authorize.length },
    );
    const id = groupId(group);
    const reread = (await findGroups(member, kind, vpcId)).find((one) => one.GroupId === id);
    if (!reread) {
      throw ApplicationFailure.retryable(`security group ${id} vanished while it was repaired`, 'Unavailable');
    }
    group = reread;
  }
}

async function rulesFor(kind: SecurityGroupKind, member: AccountClients, vpcId: string): Promise<Rule[]> {
  if (kind === 'untrack') return everything();
  return kind === 'isolation-full' ? [] : endpointsOnly(member, vpcId);
}

function everything(): Rule[] {
  const all = { IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }], Ipv6Ranges: [{ CidrIpv6: '::/0' }] };
  return [...singleRules('ingress', all), ...singleRules('egress', all)];
}

async function endpointsOnly(member: AccountClients, vpcId: string): Promise<Rule[]> {
  const { Vpcs: vpcs } = await awsStep(`reading the address ranges of ${vpcId}`, (options) =>
    member.ec2.send(new DescribeVpcsCommand({ VpcIds: [vpcId] }), options),
  );
  const [vpc] = vpcs ?? [];
  const ipv4 = (vpc?.CidrBlockAssociationSet ?? [])
    .filter((range) => range.CidrBlockState?.State === 'associated')
    .map((range) => range.CidrBlock);
  const ipv6 = (vpc?.Ipv6CidrBlockAssociationSet ?? [])
    .filter((range) => range.Ipv6CidrBlockState?.State === 'associated')
    .map((range) => range.Ipv6CidrBlock);
  return singleRules('egress', {
    IpProtocol: 'tcp',
    FromPort: 443,
    ToPort: 443,
    IpRanges: [...new Set([vpc?.CidrBlock, ...ipv4])].flatMap((CidrIp) => (CidrIp ? [{ CidrIp }] : [])),
    Ipv6Ranges: [...new Set(ipv6)].flatMap((CidrIpv6) => (CidrIpv6 ? [{ CidrIpv6 }] : [])),
  });
}

const groupId = (group: SecurityGroup): string => group.GroupId ?? '';

/** The first by id, so that every case of the VPC takes the same one. */
async function findGroup(
  member: AccountClients,
  kind: SecurityGroupKind,
  vpcId: string,
): Promise<SecurityGroup | undefined> {
  return (await findGroups(member, kind, vpcId))[0];
}

/** Ours by tag and by owner: in a shared VPC another account's group may carry the same tag. */
async function findGroups(member: AccountClients, kind: SecurityGroupKind, vpcId: string): Promise<SecurityGroup[]> {
  return awsStep(`looking for the ${kind} security group of ${vpcId}`, async (options) => {
    const found: SecurityGroup[] = [];
    const query = {
      Filters: [
        { Name: 'vpc-id', Values: [vpcId] },
        { Name: `tag:${ROLE_TAG}`, Values: [kind] },
      ],
    };
    for await (const page of paginateDescribeSecurityGroups({ client: member.ec2 }, query, options)) {
      found.push(...(page.SecurityGroups ?? []).filter((group) => group.OwnerId === member.accountId));
    }
    return found.sort((a, b) => groupId(a).localeCompare(groupId(b)));
  });
}

/**
 * Two cases in one VPC may both find no group: the name is unique in a VPC, so the second one is refused and finds the
 * first one's. Where the name belongs to a group that is not ours, another name is taken; a stranger's is never touched.
 */
async function createGroup(
  member: AccountClients,
  kind: SecurityGroupKind,
  vpcId: string,
  caseId: string,
): Promise<SecurityGroup> {
  const name = `forensics-${kind}`;
  const create = (groupName: string): Promise<void> =>
    awsStep(`creating security group ${groupName} in ${vpcId}`, async (options) => {
      await member.ec2WithoutRetries.send(
        new CreateSecurityGroupCommand({
          GroupName: groupName,
          Description: DESCRIPTIONS[kind],
          VpcId: vpcId,
          TagSpecifications: [
            {
              ResourceType: 'security-group',
              Tags: [
                { Key: ROLE_TAG, Value: kind },
                { Key: CASE_TAG, Value: caseId },
                { Key: 'Name', Value: groupName },
              ],
            },
          ],
        }),
        options,
      );
    });
  const made = await createUnlessTaken(create, name);
  let group = await appeared(member, kind, vpcId);
  if (!group && !made) {
    await createUnlessTaken(create, `${name}-${clientToken(caseId, vpcId).slice(0, 8)}`);
    group = await appeared(member, kind, vpcId);
  }
  if (group) return group;
  throw ApplicationFailure.retryable(
    `security group ${name} of ${vpcId} was created and is not listed yet; it is looked for again`,
    'Unavailable',
  );
}

/** False when the name is taken: then somebody made the group meanwhile, or the name is a stranger's. */
async function createUnlessTaken(create: (name: string) => Promise<void>, name: string): Promise<boolean> {
  try {
    await create(name);
    return true;
  } catch (error) {
    if (awsCode(error) === 'InvalidGroup.Duplicate') return false;
    throw error;
  }
}

async function appeared(
  member: AccountClients,
  kind: SecurityGroupKind,
  vpcId: string,
): Promise<SecurityGroup | undefined> {
  for (const wait of LISTING_WAITS_MS) {
    if (wait > 0) await sleep(wait);
    const found = await findGroup(member, kind, vpcId);
    if (found) return found;
  }
  return undefined;
}

interface RuleChange {
  GroupId: string;
  IpPermissions: IpPermission[];
}

/** Revokes first: a moment without a permission is safe, a moment with one too many is not. */
async function change(
  member: AccountClients,
  GroupId: string,
  { revoke, authorize }: { revoke: Rule[]; authorize: Rule[] },
): Promise<void> {
  const of = (rules: Rule[], direction: Rule['direction']) => ({
    GroupId,
    IpPermissions: rules.filter((rule) => rule.direction === direction).map(({ permission }) => permission),
  });
  const { ec2 } = member;
  const steps = [
    {
      name: 'revoking egress',
      request: of(revoke, 'egress'),
      send: (request: RuleChange, options: CallOptions) =>
        ec2.send(new RevokeSecurityGroupEgressCommand(request), options),
    },
    {
      name: 'revoking ingress',
      request: of(revoke, 'ingress'),
      send: (request: RuleChange, options: CallOptions) =>
        ec2.send(new RevokeSecurityGroupIngressCommand(request), options),
    },
    {
      name: 'authorizing egress',
      request: of(authorize, 'egress'),
      send: (request: RuleChange, options: CallOptions) =>
        ec2.send(new AuthorizeSecurityGroupEgressCommand(request), options),
    },
    {
      name: 'authorizing ingress',
      request: of(authorize, 'ingress'),
      send: (request: RuleChange, options: CallOptions) =>
        ec2.send(new AuthorizeSecurityGroupIngressCommand(request), options),
    },
  ];
  for (const { name, request, send } of steps) {
    if (request.IpPermissions.length === 0) continue;
    try {
      await awsStep<unknown>(`${name} of security group ${GroupId}`, (options) => send(request, options));
    } catch (error) {
      // Another case repaired it at the same moment; the rules are read again and settle it.
      if (!['InvalidPermission.Duplicate', 'InvalidPermission.NotFound'].includes(awsCode(error) ?? '')) throw error;
    }
  }
}
