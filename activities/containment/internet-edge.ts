import {
  AssignIpv6AddressesCommand,
  AssociateAddressCommand,
  DescribeAddressesCommand,
  DescribeNetworkInterfacesCommand,
  ModifyNetworkInterfaceAttributeCommand,
  type NetworkInterface,
} from '@aws-sdk/client-ec2';
import type { EdgeAddress, EdgeAddressState } from '../../domain/containment';
import { awsStep } from '../aws/errors';
import { noteAct } from '../custody-acts';
import { removeFromInternetEdge } from '../internet-edge';
import { attemptPart, authorityOf, differs, type Layer, type LayerContext, readUntil } from './layer';

/** Elastic IP, auto-assigned public IPv4 and IPv6 addresses. */
export const internetEdge: Layer<'internet-edge'> = {
  async read(context) {
    const planned = context.plan.layers.internetEdge;
    const [interfaces, allocations] = await Promise.all([readInterfaces(context), readAllocations(context)]);
    return {
      addresses: planned.map((one): EdgeAddressState => {
        const allocationId = allocations.get(one.address)?.allocationId;
        return {
          ...one,
          ...(allocationId !== undefined && { allocationId }),
          present: addressesOf(interfaces.get(one.networkInterfaceId)).includes(one.address),
        };
      }),
    };
  },

  fromPlan({ plan }) {
    return { addresses: plan.layers.internetEdge.map((one) => ({ ...one, present: true })) };
  },

  async apply(context, before) {
    const planned = context.plan.layers.internetEdge;
    if (planned.length === 0) return { after: before, parts: 0, missing: [], failures: [] };
    const outcomes = await removeFromInternetEdge(context.member, planned, authorityOf(context.plan));
    const failed = outcomes.filter(({ outcome }) => outcome === 'failed');
    const after = await readUntil(
      () => internetEdge.read(context),
      ({ addresses }) => addresses.filter(({ present }) => present).length <= failed.length,
    );
    const missing = after.addresses
      .filter(({ present }) => present)
      .map(
        ({ address, networkInterfaceId }) =>
          failed.find((one) => one.address === address)?.reason ??
          `${address} was taken off ${networkInterfaceId} and is still shown there`,
      );
    return { after, parts: planned.length, missing, failures: [] };
  },

  async undo(context, before, after) {
    const taken = before.addresses.filter(
      (one) => one.present && after.addresses.some(({ address, present }) => address === one.address && !present),
    );
    if (taken.length === 0) return { outcome: 'restored' };
    const [interfaces, allocations] = await Promise.all([readInterfaces(context), readAllocations(context)]);
    const present = taken.filter((one) => interfaces.has(one.networkInterfaceId));
    if (present.length === 0) return { outcome: 'gone' };
    const notes: string[] = [];
    for (const one of present) {
      if (one.kind !== 'elastic' || addressesOf(interfaces.get(one.networkInterfaceId)).includes(one.address)) continue;
      const holder = allocations.get(one.address);
      if (holder === undefined) return differs(`Elastic IP address ${one.address} is no longer the account's`);
      if (holder.networkInterfaceId !== undefined)
        return differs(`Elastic IP address ${one.address} was given to ${holder.networkInterfaceId} meanwhile`);
    }
    for (const one of present) {
      const eni = interfaces.get(one.networkInterfaceId);
      if (addressesOf(eni).includes(one.address)) continue;
      if (one.kind === 'assigned') {
        // A lost answer must not make a second one; any public address that is there already will do.
        if (addressesOf(eni).length === 0) await giveBack(context, one, undefined);
        notes.push(
          `${one.networkInterfaceId} has another public address than ${one.address}, which nobody can ask for again`,
        );
      } else {
        const failure = await attemptPart(() => giveBack(context, one, allocations.get(one.address)?.allocationId));
        if (failure && one.kind === 'ipv6' && /InvalidParameterValue|InvalidIPAddress|InUse/.test(failure.message))
          return differs(`IPv6 address ${one.address} cannot be given back: ${failure.message}`);
        if (failure) throw failure;
      }
    }
    const restored = await readUntil(
      () => internetEdge.read(context),
      ({ addresses }) => addresses.every((one) => one.present || one.kind === 'assigned'),
    );
    const lost = restored.addresses.filter(
      (one) => !one.present && one.kind !== 'assigned' && present.some(({ address }) => address === one.address),
    );
    if (lost.length > 0) return differs(`${lost.map(({ address }) => address).join(', ')} given back and not shown`);
    return { outcome: 'restored', ...(notes.length > 0 && { difference: notes.join('; ') }) };
  },
};

async function giveBack({ member }: LayerContext, one: EdgeAddress, AllocationId?: string): Promise<void> {
  const { networkInterfaceId: NetworkInterfaceId, address, kind, privateIpAddress } = one;
  await awsStep<unknown>(`giving ${address} back to network interface ${NetworkInterfaceId}`, (options) => {
    switch (kind) {
      case 'elastic':
        return member.ec2.send(
          new AssociateAddressCommand({
            AllocationId,
            NetworkInterfaceId,
            ...(privateIpAddress !== undefined && { PrivateIpAddress: privateIpAddress }),
            AllowReassociation: false,
          }),
          options,
        );
      case 'assigned':
        return member.ec2.send(
          new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId, AssociatePublicIpAddress: true }),
          options,
        );
      case 'ipv6':
        return member.ec2.send(
          new AssignIpv6AddressesCommand({ NetworkInterfaceId, Ipv6Addresses: [address] }),
          options,
        );
    }
  });
  noteAct({
    message:
      kind === 'assigned'
        ? `Network interface ${NetworkInterfaceId} was given a public address again, another one than ${address}`
        : `Address ${address} was given back to network interface ${NetworkInterfaceId}`,
    data: { changesSuspect: true, change: 'network address', reversible: true },
  });
}

/** Of the instance's planned interfaces; one that is gone is missing. */
async function readInterfaces({ member, plan }: LayerContext): Promise<Map<string, NetworkInterface>> {
  const ids = [...new Set(plan.layers.internetEdge.map((one) => one.networkInterfaceId))];
  if (ids.length === 0) return new Map();
  const { NetworkInterfaces } = await awsStep(`reading network interfaces ${ids.join(', ')}`, (options) =>
    member.ec2.send(
      new DescribeNetworkInterfacesCommand({ Filters: [{ Name: 'network-interface-id', Values: ids }] }),
      options,
    ),
  );
  return new Map((NetworkInterfaces ?? []).map((eni) => [eni.NetworkInterfaceId ?? '', eni]));
}

/** Elastic IP addresses of the plan that are still the account's, with who has them. */
async function readAllocations({
  member,
  plan,
}: LayerContext): Promise<Map<string, { allocationId: string; networkInterfaceId?: string }>> {
  const addresses = plan.layers.internetEdge.filter(({ kind }) => kind === 'elastic').map(({ address }) => address);
  if (addresses.length === 0) return new Map();
  const { Addresses } = await awsStep(`reading Elastic IP addresses ${addresses.join(', ')}`, (options) =>
    member.ec2.send(new DescribeAddressesCommand({ Filters: [{ Name: 'public-ip', Values: addresses }] }), options),
  );
  return new Map(
    (Addresses ?? []).map(({ PublicIp = '', AllocationId = '', AssociationId, NetworkInterfaceId }) => [
      PublicIp,
      {
        allocationId: AllocationId,
        ...(AssociationId !== undefined && { networkInterfaceId: NetworkInterfaceId ?? 'another resource' }),
      },
    ]),
  );
}

const addressesOf = (eni: NetworkInterface | undefined): string[] => [
  ...(eni?.Ipv6Addresses ?? []).flatMap(({ Ipv6Address }) => Ipv6Address ?? []),
  ...[eni?.Association, ...(eni?.PrivateIpAddresses ?? []).map(({ Association }) => Association)].flatMap(
    (association) => association?.PublicIp ?? [],
  ),
];
