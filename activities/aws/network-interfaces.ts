import type { Instance } from '@aws-sdk/client-ec2';
import type { NetworkInterfaceFacts } from '../../domain/instance-facts';

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
      publicIpAddresses: sortedUnique(
        [eni.Association, ...(eni.PrivateIpAddresses ?? []).map((address) => address.Association)].flatMap(
          (public_) => [public_?.PublicIp, public_?.CarrierIp],
        ),
      ),
      ipv6Addresses: sortedUnique((eni.Ipv6Addresses ?? []).map((address) => address.Ipv6Address)),
    }))
    .sort((a, b) => a.networkInterfaceId.localeCompare(b.networkInterfaceId));
}

function sortedUnique(values: (string | undefined)[]): string[] {
  return [...new Set(values.filter((value) => value !== undefined && value !== ''))].sort() as string[];
}
