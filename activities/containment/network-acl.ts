import {
  CreateNetworkAclCommand,
  CreateNetworkAclEntryCommand,
  DeleteNetworkAclCommand,
  DescribeNetworkAclsCommand,
  DescribeVpcsCommand,
  type NetworkAcl,
  ReplaceNetworkAclAssociationCommand,
} from '@aws-sdk/client-ec2';
import type { ApplicationFailure } from '@temporalio/common';
import type { SubnetAclState } from '../../domain/containment';
import { awsCode, awsStep } from '../aws/errors';
import { CASE_TAG, OPERATION_TAG, operationOf, operationTags, ROLE_TAG } from '../aws/idempotency';
import { noteAct } from '../custody-acts';
import { attemptPart, authorityOf, differs, type Layer, type LayerContext, readUntil } from './layer';

/**
 * Cuts the whole subnet off: its network ACL is exchanged for one of the case. A rule for the instance's address alone would do
 * nothing there: an inbound rule knows the source and an outbound one the destination, and at the edge of its own subnet the
 * instance is neither (VPC User Guide, "Network ACL rules"). Tracked connections end at once, and go on when the old
 * ACL comes back unless they timed out meanwhile; traffic inside the subnet is not filtered.
 */
export const networkAcl: Layer<'network-acl'> = {
  async read(context) {
    const planned = context.plan.layers.networkAcl ?? [];
    const acls = await aclsOfSubnets(
      context,
      planned.map(({ subnetId }) => subnetId),
    );
    return {
      subnets: planned.flatMap(({ subnetId }): SubnetAclState[] => {
        const acl = acls.find((one) => associationOf(one, subnetId));
        return acl ? [{ subnetId, networkAclId: acl.NetworkAclId ?? '' }] : [];
      }),
    };
  },

  fromPlan() {
    // Without the ACL before it there would be no way back, and neighbours pay for it: not applied.
    return { subnets: [] };
  },

  async apply(context, before) {
    const planned = context.plan.layers.networkAcl ?? [];
    const failures: ApplicationFailure[] = [];
    const ours = new Map<string, string>();
    for (const { subnetId, vpcId } of planned) {
      if (!before.subnets.some((one) => one.subnetId === subnetId)) continue;
      const failure = await attemptPart(async () => {
        const aclId = await caseAcl(context, vpcId);
        ours.set(subnetId, aclId);
        await associate(context, subnetId, aclId);
      });
      if (failure) failures.push(failure);
    }
    const cut = ({ subnetId, networkAclId }: SubnetAclState): boolean => ours.get(subnetId) === networkAclId;
    const after = await readUntil(
      () => networkAcl.read(context),
      ({ subnets }) => failures.length > 0 || subnets.every(cut),
    );
    const missing = planned
      .filter(({ subnetId }) => !after.subnets.some((one) => one.subnetId === subnetId && cut(one)))
      .map(({ subnetId }) => failures[0]?.message ?? `subnet ${subnetId} does not show the network ACL of the case`);
    return {
      after,
      parts: planned.length,
      missing,
      failures,
      residualPaths: ['traffic inside the instance’s own subnet is not filtered by its network ACL'],
    };
  },

  async undo(context, before, after) {
    const current = await networkAcl.read(context);
    const aclIn = (state: { subnets: SubnetAclState[] }, subnetId: string): string | undefined =>
      state.subnets.find((one) => one.subnetId === subnetId)?.networkAclId;
    const changed = before.subnets.filter(({ subnetId, networkAclId }) => aclIn(after, subnetId) !== networkAclId);
    const there = changed.filter(({ subnetId }) => aclIn(current, subnetId) !== undefined);
    if (changed.length > 0 && there.length === 0) return { outcome: 'gone' };
    for (const { subnetId, networkAclId } of there) {
      const now = aclIn(current, subnetId);
      if (now !== networkAclId && now !== aclIn(after, subnetId))
        return differs(
          `subnet ${subnetId} has network ACL ${now ?? 'none'} where containment left ${aclIn(after, subnetId) ?? 'none'}`,
        );
    }
    for (const { subnetId, networkAclId } of there) await associate(context, subnetId, networkAclId);
    await deleteCaseAcls(context);
    return { outcome: 'restored' };
  },
};

const associationOf = (acl: NetworkAcl, subnetId: string): string | undefined =>
  acl.Associations?.find((one) => one.SubnetId === subnetId)?.NetworkAclAssociationId;

async function aclsOfSubnets({ member }: LayerContext, subnetIds: string[]): Promise<NetworkAcl[]> {
  if (subnetIds.length === 0) return [];
  const { NetworkAcls } = await awsStep(`reading the network ACLs of ${subnetIds.join(', ')}`, (options) =>
    member.ec2.send(
      new DescribeNetworkAclsCommand({ Filters: [{ Name: 'association.subnet-id', Values: subnetIds }] }),
      options,
    ),
  );
  return NetworkAcls ?? [];
}

const operation = ({ caseId }: LayerContext, vpcId: string): string => operationOf(caseId, 'network-acl', vpcId);

async function caseAcls(context: LayerContext, filter: { Name: string; Values: string[] }): Promise<NetworkAcl[]> {
  const { NetworkAcls } = await awsStep(`looking for network ACLs of the case`, (options) =>
    context.member.ec2.send(new DescribeNetworkAclsCommand({ Filters: [filter] }), options),
  );
  return (NetworkAcls ?? []).sort((a, b) => (a.NetworkAclId ?? '').localeCompare(b.NetworkAclId ?? ''));
}

/** The case's ACL of a VPC, made when there is none, with the rules of the mode; found by its tag. */
async function caseAcl(context: LayerContext, vpcId: string): Promise<string> {
  const { member, plan, caseId } = context;
  const name = operation(context, vpcId);
  const [found] = await caseAcls(context, { Name: `tag:${OPERATION_TAG}`, Values: [name] });
  const acl =
    found ??
    (
      await awsStep(`creating a network ACL in ${vpcId}`, (options) =>
        member.ec2WithoutRetries.send(
          new CreateNetworkAclCommand({
            VpcId: vpcId,
            TagSpecifications: [
              { ResourceType: 'network-acl', Tags: operationTags(caseId, name, { [ROLE_TAG]: 'isolation' }) },
            ],
          }),
          options,
        ),
      )
    ).NetworkAcl;
  const NetworkAclId = acl?.NetworkAclId ?? '';
  if (plan.mode === 'keep-ssm') await allowEndpoints(context, NetworkAclId, vpcId);
  return NetworkAclId;
}

/** HTTPS to the VPC's own IPv4 ranges, and the answers to it. Everything else is denied by the rule that every ACL ends with. */
async function allowEndpoints({ member }: LayerContext, NetworkAclId: string, vpcId: string): Promise<void> {
  const { Vpcs } = await awsStep(`reading the address ranges of ${vpcId}`, (options) =>
    member.ec2.send(new DescribeVpcsCommand({ VpcIds: [vpcId] }), options),
  );
  const ranges = (Vpcs?.[0]?.CidrBlockAssociationSet ?? []).flatMap(({ CidrBlock }) => CidrBlock ?? []);
  for (const [index, CidrBlock] of ranges.entries()) {
    for (const { Egress, From, To } of [
      { Egress: true, From: 443, To: 443 },
      { Egress: false, From: 1024, To: 65_535 },
    ]) {
      const failure = await attemptPart(() =>
        awsStep(`adding a rule to network ACL ${NetworkAclId}`, (options) =>
          member.ec2.send(
            new CreateNetworkAclEntryCommand({
              NetworkAclId,
              RuleNumber: 100 + index,
              Protocol: '6',
              RuleAction: 'allow',
              Egress,
              CidrBlock,
              PortRange: { From, To },
            }),
            options,
          ),
        ),
      );
      if (failure && awsCode(failure) !== 'NetworkAclEntryAlreadyExists') throw failure;
    }
  }
}

async function associate(context: LayerContext, subnetId: string, NetworkAclId: string): Promise<void> {
  const { member, plan } = context;
  const [current] = await aclsOfSubnets(context, [subnetId]);
  const AssociationId = current && associationOf(current, subnetId);
  if (!current || AssociationId === undefined || current.NetworkAclId === NetworkAclId) return;
  await awsStep(`giving subnet ${subnetId} network ACL ${NetworkAclId}`, (options) =>
    member.ec2.send(new ReplaceNetworkAclAssociationCommand({ AssociationId, NetworkAclId }), options),
  );
  noteAct({
    message: `Subnet ${subnetId} has network ACL ${NetworkAclId} (before: ${current.NetworkAclId ?? 'none'})`,
    authority: authorityOf(plan),
    data: { subnetId, before: current.NetworkAclId, after: NetworkAclId },
  });
}

/** Only those that no subnet has: what somebody else associated meanwhile is not ours to cut. */
async function deleteCaseAcls(context: LayerContext): Promise<void> {
  const acls = await caseAcls(context, { Name: `tag:${CASE_TAG}`, Values: [context.caseId] });
  for (const { NetworkAclId, Tags, Associations } of acls) {
    const ours = Tags?.some(({ Key, Value }) => Key === ROLE_TAG && Value === 'isolation') === true;
    if (!ours || (Associations ?? []).length > 0) continue;
    await awsStep(`deleting network ACL ${NetworkAclId ?? ''}`, (options) =>
      context.member.ec2.send(new DeleteNetworkAclCommand({ NetworkAclId }), options),
    );
  }
}
