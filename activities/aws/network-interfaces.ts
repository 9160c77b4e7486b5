import type { Instance, InstanceNetworkInterface } from '@aws-sdk/client-ec2';
import type { NetworkInterfaceFacts, PublicAddress } from '../../domain/instance-facts';

/** Every interface of an instance, with every public address that leads to it (also those of secondary private ones). */
export function networkInterfaceFacts(instance: Instance): NetworkInterfaceFacts[] {
  return (instance.NetworkInterfaces ?? [])
    .map((eni): NetworkInterfaceFacts => ({
      networkInterfaceId: eni.NetworkInterfaceId ?? '',
      vpcId: eni.VpcId ?? instance.VpcId ?? '',
      subnetId: eni.SubnetId ?? instance.SubnetId ?? '',
      groups: sortedUnique((eni.Groups ?? []).map((group) => group.GroupId)),
      privateIpAddresses: sortedUnique([
        eni.PrivateIpAddress,
        ...(eni.PrivateIpAddresses ?? []).map((address) => address.PrivateIpAddress),
      ]),
      publicAddresses: publicAddresses(eni),
      ipv6Addresses: sortedUnique((eni.Ipv6Addresses ?? []).map((address) => address.Ipv6Address)),
    }))
    .sort((a, b) => a.networkInterfaceId.localeCompare(b.networkInterfaceId));
}

/** Of the primary and of every secondary private address; EC2 names the primary one's twice. */
function publicAddresses(eni: InstanceNetworkInterface): PublicAddress[] {
  const found = new Map<string, PublicAddress>();
  const privateAddresses = [
    { PrivateIpAddress: eni.PrivateIpAddress, Association: eni.Association },
    ...(eni.PrivateIpAddresses ?? []),
  ];
  for (const { PrivateIpAddress: privateIpAddress = '', Association: association } of privateAddresses) {
    const { PublicIp, CarrierIp, IpOwnerId } = association ?? {};
    if (PublicIp) {
      const kind = IpOwnerId === 'amazon' ? 'assigned' : 'elastic';
      found.set(PublicIp, { address: PublicIp, kind, privateIpAddress });
    }
    if (CarrierIp) found.set(CarrierIp, { address: CarrierIp, kind: 'carrier', privateIpAddress });
  }
  return [...found.values()].sort((a, b) => a.address.localeCompare(b.address));
}

function sortedUnique(values: (string | undefined)[]): string[] {
  return [...new Set(values.filter((value) => value !== undefined && value !== ''))].sort() as string[];
}
