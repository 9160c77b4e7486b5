import {
  DescribeAddressesCommand,
  DisassociateAddressCommand,
  ModifyNetworkInterfaceAttributeCommand,
  UnassignIpv6AddressesCommand,
} from '@aws-sdk/client-ec2';
import { ApplicationFailure } from '@temporalio/common';
import type { EdgeAddress, EdgeOutcome } from '../domain/containment';
import type { CustodyFacts } from '../domain/custody/facts';
import type { AccountClients } from './aws/clients';
import { awsStep, worthAnotherAttempt } from './aws/errors';
import { apart, noteAct } from './custody-acts';

/**
 * Takes the planned addresses away. One that is gone already counts as removed: an earlier attempt did it, or its owner.
 * What fails is reported and stands in the way of nothing; it is only tried again while AWS asks to wait.
 * Sources: EC2 API reference, DisassociateAddress, ModifyNetworkInterfaceAttribute (AssociatePublicIpAddress),
 * UnassignIpv6Addresses.
 */
export function removeFromInternetEdge(
  member: AccountClients,
  addresses: EdgeAddress[],
  authority?: CustodyFacts['authority'],
): Promise<EdgeOutcome[]> {
  return Promise.all(
    addresses.map((address) =>
      apart(async (): Promise<EdgeOutcome> => {
        try {
          const removed = await remove(member, address);
          note(address, authority);
          return { ...address, outcome: 'removed', ...removed };
        } catch (error) {
          if (!(error instanceof ApplicationFailure)) throw error;
          noteAct({
            message: `${addressName(address)} is still there: ${error.message}`,
            ...(authority && { authority }),
            data: { address: address.address, networkInterfaceId: address.networkInterfaceId },
          });
          if (worthAnotherAttempt(error)) throw error;
          return { ...address, outcome: 'failed', reason: error.message };
        }
      }),
    ),
  );
}

const NAMES: Record<EdgeAddress['kind'], string> = {
  elastic: 'Elastic IP address',
  assigned: 'Public address (assigned by Amazon)',
  ipv6: 'IPv6 address',
};
const addressName = ({ kind, address, networkInterfaceId }: EdgeAddress): string =>
  `${NAMES[kind]} ${address} of network interface ${networkInterfaceId}`;

/** One that was gone already (an earlier attempt did it, or its owner) is told alike: it is not there. */
function note(address: EdgeAddress, authority: CustodyFacts['authority']): void {
  const { kind, networkInterfaceId, privateIpAddress } = address;
  const isReversible = kind !== 'assigned';
  noteAct({
    message: `${addressName(address)} is taken away${isReversible ? '; it can be given back' : ' for good: nobody can ask for it again'}`,
    ...(authority && { authority }),
    data: {
      address: address.address,
      networkInterfaceId,
      ...(privateIpAddress !== undefined && { privateIpAddress }),
      changesSuspect: true,
      change: addressName(address),
      reversible: isReversible,
    },
  });
}

async function remove(
  member: AccountClients,
  { kind, address, networkInterfaceId }: EdgeAddress,
): Promise<{ allocationId?: string }> {
  const doing = `taking ${address} off network interface ${networkInterfaceId}`;
  switch (kind) {
    case 'elastic':
      return disassociate(member, address, networkInterfaceId, doing);
    case 'assigned':
      await awsStep(doing, (options) =>
        member.ec2.send(
          new ModifyNetworkInterfaceAttributeCommand({
            NetworkInterfaceId: networkInterfaceId,
            AssociatePublicIpAddress: false,
          }),
          options,
        ),
      );
      return {};
    case 'ipv6':
      await awsStep(doing, (options) =>
        member.ec2.send(
          new UnassignIpv6AddressesCommand({ NetworkInterfaceId: networkInterfaceId, Ipv6Addresses: [address] }),
          options,
        ),
      ).catch((error: unknown) => {
        // Not assigned (any more): that is what is wanted.
        if (error instanceof ApplicationFailure && /InvalidParameterValue|InvalidIPAddress/.test(error.message)) return;
        throw error;
      });
      return {};
  }
}

/** By its association, not by its address: the owner may have given the address to another interface meanwhile. */
async function disassociate(
  member: AccountClients,
  address: string,
  networkInterfaceId: string,
  doing: string,
): Promise<{ allocationId?: string }> {
  const { Addresses: found } = await awsStep(`reading Elastic IP address ${address}`, (options) =>
    member.ec2.send(new DescribeAddressesCommand({ Filters: [{ Name: 'public-ip', Values: [address] }] }), options),
  );
  const [elastic] = found ?? [];
  if (elastic?.AssociationId !== undefined && elastic.NetworkInterfaceId === networkInterfaceId) {
    const { AssociationId } = elastic;
    await awsStep(doing, (options) => member.ec2.send(new DisassociateAddressCommand({ AssociationId }), options));
  }
  return elastic?.AllocationId === undefined ? {} : { allocationId: elastic.AllocationId };
}
