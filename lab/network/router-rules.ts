import type { InterfaceState, NetworkAclEntry, SubnetState, VpcState } from './network-state';
import { closedEndpoints, vpcAddresses } from './vpc-addresses';

/** Device of a VPC's router towards the lab's internet. */
export const INTERNET_DEVICE = 'internet';

/** Device of a VPC's router towards a network interface (device names have 15 characters at most). */
export function routerDevice(networkInterfaceId: string): string {
  return `eni${networkInterfaceId.slice(-12)}`;
}

/** The router's rules, and the public addresses that lead to it. */
export interface RouterRules {
  rules: string;
  publicAddresses: string[];
}

function aclMatch(entry: NetworkAclEntry): string {
  const address = `ip ${entry.egress ? 'daddr' : 'saddr'} ${entry.range ?? ''}`;
  switch (entry.protocol) {
    case '-1':
      return address;
    case 'tcp':
    case 'udp': {
      const { fromPort, toPort } = entry;
      if (fromPort === null || toPort === null) return `${address} ip protocol ${entry.protocol}`;
      return `${address} ${entry.protocol} dport ${fromPort}-${toPort}`;
    }
    case 'icmp': {
      if (entry.icmpType === null || entry.icmpType < 0) return `${address} ip protocol icmp`;
      const code = entry.icmpCode === null || entry.icmpCode < 0 ? '' : ` icmp code ${entry.icmpCode}`;
      return `${address} icmp type ${entry.icmpType}${code}`;
    }
    default:
      return `${address} ip protocol ${entry.protocol}`;
  }
}

/** Entries in the order of their numbers; the first that fits decides, and what fits none is refused. */
function aclChain(name: string, entries: NetworkAclEntry[]): string[] {
  const ordered = entries.filter((entry) => entry.range !== null).sort((a, b) => a.ruleNumber - b.ruleNumber);
  const lines = ordered.map((entry) => `    ${aclMatch(entry)} ${entry.allow ? 'return' : 'drop'}`);
  return [`  chain ${name} {`, ...lines, '    drop', '  }'];
}

interface Side {
  subnet: SubnetState;
  /** nftables' set of the router's devices towards the subnet. */
  devices: string;
}

/**
 * The nftables rules of a VPC's router: network ACLs, without state, at the border of each subnet; translation of public
 * addresses at the border of the VPC.
 *
 * One private address to one public address is translated packet by packet, without tracking: when the elastic address is
 * taken away, its connections end, as on AWS. Many to one (a NAT gateway or NAT instance) needs tracking.
 */
export function routerRules(vpc: VpcState, interfaces: InterfaceState[]): RouterRules {
  const sides: Side[] = vpc.subnets
    .map((subnet) => ({
      subnet,
      devices: interfaces
        .filter((eni) => eni.subnetId === subnet.subnetId)
        .map((eni) => `"${routerDevice(eni.networkInterfaceId)}"`)
        .join(', '),
    }))
    .filter(({ devices }) => devices !== '')
    .map(({ subnet, devices }) => ({ subnet, devices: `{ ${devices} }` }));
  const filtered = sides.filter(({ subnet }) => subnet.networkAcl !== null);
  const leaving = filtered.map(({ subnet, devices }) => `iifname ${devices} jump leaves-${subnet.subnetId}`);
  const entering = filtered.map(({ subnet, devices }) => `oifname ${devices} jump enters-${subnet.subnetId}`);
  const addresses = vpcAddresses(vpc);
  const resolvers = `{ ${addresses.resolvers.join(', ')} }`;
  const closed = closedEndpoints(vpc);

  const subnetOf = (eni: InterfaceState): SubnetState | undefined =>
    sides.find(({ subnet }) => subnet.subnetId === eni.subnetId)?.subnet;
  const oneToOne = interfaces.flatMap((eni) =>
    eni.publicAddress !== null && subnetOf(eni)?.internet?.by === 'internet-gateway'
      ? [{ inside: eni.privateAddress, outside: eni.publicAddress }]
      : [],
  );
  const manyToOne = sides.flatMap(({ subnet }) =>
    subnet.internet !== null && subnet.internet.by !== 'internet-gateway' && subnet.internet.address !== null
      ? [{ inside: subnet.cidrBlock, outside: subnet.internet.address }]
      : [],
  );
  const mayLeave = [...oneToOne, ...manyToOne].map(({ inside }) => inside);
  const pairs = (from: 'inside' | 'outside', to: 'inside' | 'outside'): string =>
    oneToOne.map((pair) => `${pair[from]} : ${pair[to]}`).join(', ');

  const chains: [string, string, string[]][] = [
    [
      'to-private',
      'type filter hook prerouting priority -300; policy accept;',
      oneToOne.length > 0
        ? [`iifname "${INTERNET_DEVICE}" ip daddr set ip daddr map { ${pairs('outside', 'inside')} }`]
        : [],
    ],
    [
      'to-public',
      'type filter hook postrouting priority 300; policy accept;',
      oneToOne.length > 0
        ? [`oifname "${INTERNET_DEVICE}" ip saddr set ip saddr map { ${pairs('inside', 'outside')} }`]
        : [],
    ],
    [
      'gateway',
      'type nat hook postrouting priority srcnat; policy accept;',
      manyToOne.map(({ inside, outside }) => `oifname "${INTERNET_DEVICE}" ip saddr ${inside} snat to ${outside}`),
    ],
    [
      'forward',
      'type filter hook forward priority filter; policy drop;',
      [
        `iifname "${INTERNET_DEVICE}" oifname "${INTERNET_DEVICE}" drop`,
        // "Network ACLs … do not apply to traffic between instances of one subnet" (VPC User Guide).
        ...sides.map(({ devices }) => `iifname ${devices} oifname ${devices} accept`),
        ...leaving,
        ...entering,
        ...(mayLeave.length > 0 ? [`oifname "${INTERNET_DEVICE}" ip saddr { ${mayLeave.join(', ')} } accept`] : []),
        `oifname "${INTERNET_DEVICE}" drop`,
        'accept',
      ],
    ],
    [
      'input',
      'type filter hook input priority filter; policy accept;',
      [
        // "Network ACLs can't block DNS requests to or from the Route 53 Resolver" (VPC User Guide).
        `ip daddr ${resolvers} accept`,
        `iifname "${INTERNET_DEVICE}" drop`,
        ...leaving,
        ...(closed.length > 0 ? [`ip daddr { ${closed.join(', ')} } drop`] : []),
      ],
    ],
    [
      'output',
      'type filter hook output priority filter; policy accept;',
      [`ip saddr ${resolvers} accept`, ...entering],
    ],
  ];
  const text = [
    'table ip router { }',
    'delete table ip router',
    'table ip router {',
    ...filtered.flatMap(({ subnet }) => [
      ...aclChain(
        `leaves-${subnet.subnetId}`,
        (subnet.networkAcl ?? []).filter((entry) => entry.egress),
      ),
      ...aclChain(
        `enters-${subnet.subnetId}`,
        (subnet.networkAcl ?? []).filter((entry) => !entry.egress),
      ),
    ]),
    ...chains.flatMap(([name, hook, lines]) => [
      `  chain ${name} {`,
      ...[hook, ...lines].map((line) => `    ${line}`),
      '  }',
    ]),
    '}',
    '',
  ].join('\n');
  return {
    rules: text,
    publicAddresses: [...new Set([...oneToOne, ...manyToOne].map(({ outside }) => outside))].sort(),
  };
}
