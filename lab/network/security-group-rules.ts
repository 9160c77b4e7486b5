import type { InterfaceState, SecurityGroupRule, SecurityGroupState, SubnetState, VpcState } from './network-state';
import { openPorts, type PortRange, type TrackingZones } from './connection-tracking';
import { LINK_LOCAL_RESOLVER, vpcAddresses } from './vpc-addresses';

/** Table of a network interface's own namespace. Its counters and sets of peers outlive a change of rules. */
export const INTERFACE_TABLE = 'interface';
/** Devices of that namespace: towards the instance, and towards the router of the VPC. */
export const INNER_DEVICE = 'inner';
export const OUTER_DEVICE = 'outer';

type Direction = 'from-instance' | 'to-instance';
const DIRECTIONS: Direction[] = ['from-instance', 'to-instance'];
const PEER: Record<Direction, string> = { 'from-instance': 'ip daddr', 'to-instance': 'ip saddr' };

const ANYWHERE = '0.0.0.0/0';

function ports(rule: SecurityGroupRule): string {
  const from = Math.max(rule.fromPort ?? 0, 0);
  const to = rule.toPort === null || rule.toPort < 0 ? 65535 : rule.toPort;
  return from === to ? String(from) : `${from}-${to}`;
}

/** The part of an nftables rule that says which packets of a protocol are meant; empty: all of them. */
function protocolMatch(rule: SecurityGroupRule): string {
  switch (rule.protocol) {
    case '-1':
      return '';
    case 'tcp':
    case 'udp':
      return `${rule.protocol} dport ${ports(rule)}`;
    case 'icmp': {
      const type = rule.fromPort ?? -1;
      const code = rule.toPort ?? -1;
      if (type < 0) return 'ip protocol icmp';
      return code < 0 ? `icmp type ${type}` : `icmp type ${type} icmp code ${code}`;
    }
    default:
      return `ip protocol ${rule.protocol}`;
  }
}

/** Rules that let packets through and make their connections tracked ones. IPv6 there is none in the lab. */
function permissions(rules: SecurityGroupRule[], direction: Direction): string[] {
  return rules
    .filter((rule) => rule.protocol !== '58' && rule.protocol !== 'icmpv6')
    .flatMap((rule) =>
      peerMatches(rule.ranges, direction).map((peers) =>
        `${peers} ${protocolMatch(rule)} ct mark set 1 goto accepted-${direction}`.trim(),
      ),
    );
}

/** Members of a group are many and go into one set; wider ranges may overlap, which nftables refuses in a set. */
function peerMatches(ranges: string[], direction: Direction): string[] {
  if (ranges.includes(ANYWHERE)) return [''];
  const hosts = [...new Set(ranges.filter((range) => range.endsWith('/32')))];
  return [
    ...(hosts.length > 0 ? [`${PEER[direction]} { ${hosts.join(', ')} }`] : []),
    ...ranges.filter((range) => !range.endsWith('/32')).map((range) => `${PEER[direction]} ${range}`),
  ];
}

const portSet = (ranges: PortRange[]): string => `{ ${ranges.map(({ from, to }) => `${from}-${to}`).join(', ')} }`;
const allPorts = (ranges: PortRange[]): boolean => ranges.some(({ from, to }) => from <= 0 && to >= 65535);

/**
 * Packets of connections that EC2 does not track: a rule permits them from or to everywhere, and a rule of the other direction
 * permits all responses. Each of their packets is judged by itself, so they end when the rules go.
 */
function untracked(groups: SecurityGroupState[], direction: Direction): string[] {
  return (['tcp', 'udp'] as const).flatMap((protocol) => {
    const inward = openPorts(groups, 'ingress', protocol);
    const outward = openPorts(groups, 'egress', protocol);
    const [own, reverse] = direction === 'from-instance' ? [outward, inward] : [inward, outward];
    const accept = `ct mark set 0 goto accepted-${direction}`;
    return [
      ...(own.length > 0 && allPorts(reverse) ? [`${protocol} dport ${portSet(own)} ${accept}`] : []),
      ...(reverse.length > 0 && allPorts(own) ? [`${protocol} sport ${portSet(reverse)} ${accept}`] : []),
    ];
  });
}

/**
 * Peers to which connections are tracked whatever the rules say: VPC endpoints, and all that is reached through a NAT
 * gateway (EC2 User Guide, "Automatically tracked connections").
 */
function alwaysTracked(vpc: VpcState, subnet: SubnetState, direction: Direction): string[] {
  const { ssm, proxy } = vpcAddresses(vpc);
  const peer = PEER[direction];
  const outside = `${peer} != { ${[...vpc.cidrBlocks, `${LINK_LOCAL_RESOLVER}/32`].join(', ')} } return`;
  return [`${peer} { ${ssm}, ${proxy} } return`, ...(subnet.internet?.by === 'nat-gateway' ? [outside] : [])];
}

function chain(name: string, lines: string[], hook = ''): string {
  return [
    `  chain ${name} {`,
    ...[hook, ...lines].filter((line) => line !== '').map((line) => `    ${line}`),
    '  }',
  ].join('\n');
}

function countedChains(direction: Direction): string[] {
  return (['accepted', 'refused'] as const).map((verdict) =>
    chain(`${verdict}-${direction}`, [
      `counter name "${verdict}-${direction}"`,
      // A rule of its own: a full set ends a rule before its verdict.
      `update @${verdict}-peers-${direction} { ${PEER[direction]} . ip protocol }`,
      verdict === 'accepted' ? 'accept' : 'drop',
    ]),
  );
}

/**
 * The nftables rules of one network interface: its security groups as stateful rules, their union where there are several.
 *
 * A mark of 1 on a connection says that EC2 would track it: its packets pass whatever the rules become. Packets of untracked
 * connections set the mark to 0. Zones (see connection-tracking.ts) make sure that a connection which was tracked before the
 * interface was open both ways is not taken up again, even if no packet of it passed meanwhile.
 */
export function interfaceRules(vpc: VpcState, subnet: SubnetState, eni: InterfaceState, zones: TrackingZones): string {
  const groups = eni.groups.flatMap((id) => vpc.securityGroups[id] ?? []);
  const resolvers = vpcAddresses(vpc).resolvers.join(', ');
  const names = DIRECTIONS.flatMap((direction) => [`accepted-${direction}`, `refused-${direction}`]);
  const peerSets = DIRECTIONS.flatMap((direction) =>
    ['accepted', 'refused'].map((verdict) => `${verdict}-peers-${direction}`),
  );
  const dns = (direction: Direction): string =>
    // "Security groups cannot block DNS requests to or from the Route 53 Resolver" (EC2 User Guide).
    `${PEER[direction]} { ${resolvers} } meta l4proto { tcp, udp } th ${direction === 'from-instance' ? 'dport' : 'sport'} 53 goto accepted-${direction}`;
  const own = eni.privateAddress;
  const misdirected: Record<Direction, string> = {
    'from-instance': `ip saddr != ${own} goto refused-from-instance`,
    'to-instance': `ip daddr != ${own} goto refused-to-instance`,
  };
  const body = [
    ...names.map((name) => `  counter ${name} { }`),
    ...peerSets.map((name) => `  set ${name} { type ipv4_addr . inet_proto; flags dynamic; counter; size 65535; }`),
    ...DIRECTIONS.flatMap(countedChains),
    ...DIRECTIONS.map((direction) =>
      chain(`untracked-${direction}`, [...alwaysTracked(vpc, subnet, direction), ...untracked(groups, direction)]),
    ),
    ...DIRECTIONS.map((direction) =>
      chain(direction, [
        ...(eni.sourceDestCheck ? [misdirected[direction]] : []),
        dns(direction),
        `jump untracked-${direction}`,
        `ct state established,related ct mark 1 goto accepted-${direction}`,
        ...permissions(
          groups.flatMap((group) => (direction === 'from-instance' ? group.egress : group.ingress)),
          direction,
        ),
        `goto refused-${direction}`,
      ]),
    ),
    ...DIRECTIONS.map((direction) =>
      chain(`zone-${direction}`, [
        ...alwaysTracked(vpc, subnet, direction),
        `meta l4proto tcp ct zone set ${zones.tcp}`,
        // Errors about datagrams (port unreachable) belong to the datagrams' connection.
        `meta l4proto udp ct zone set ${zones.udp}`,
        `icmp type { destination-unreachable, time-exceeded } ct zone set ${zones.udp}`,
      ]),
    ),
    chain(
      'zones',
      [`iifname "${INNER_DEVICE}" jump zone-from-instance`, `iifname "${OUTER_DEVICE}" jump zone-to-instance`],
      'type filter hook prerouting priority raw; policy accept;',
    ),
    chain(
      'forward',
      [`iifname "${INNER_DEVICE}" jump from-instance`, `iifname "${OUTER_DEVICE}" jump to-instance`],
      'type filter hook forward priority filter; policy drop;',
    ),
  ];
  return [
    `table inet ${INTERFACE_TABLE} { }`,
    `flush table inet ${INTERFACE_TABLE}`,
    `table inet ${INTERFACE_TABLE} {`,
    ...body,
    '}',
    '',
  ].join('\n');
}
