import type { InterfaceState, SecurityGroupState } from './network-state';

/**
 * Which connections EC2 tracks (EC2 User Guide, "Security group connection tracking"):
 *
 * - a TCP or UDP connection is not tracked if a rule permits it from (or to) 0.0.0.0/0 and a rule of the other direction permits
 *   all response traffic to (or from) 0.0.0.0/0 on ports 0-65535; all others are, and ICMP always is;
 * - a change of rules or groups leaves tracked connections alone until they time out, and ends untracked ones at once.
 */
export interface PortRange {
  from: number;
  to: number;
}

type Protocol = 'tcp' | 'udp';

/** Ports that the groups open to everywhere, in rising order and none twice. */
export function openPorts(
  groups: SecurityGroupState[],
  direction: 'ingress' | 'egress',
  protocol: Protocol,
): PortRange[] {
  const ranges = groups
    .flatMap((group) => group[direction])
    .filter((rule) => [protocol, '-1'].includes(rule.protocol) && rule.ranges.includes('0.0.0.0/0'))
    .map((rule) =>
      rule.protocol === '-1' || (rule.fromPort ?? -1) < 0
        ? { from: 0, to: 65535 }
        : { from: rule.fromPort ?? 0, to: rule.toPort ?? 65535 },
    )
    .sort((a, b) => a.from - b.from);
  const merged: PortRange[] = [];
  for (const range of ranges) {
    const last = merged.at(-1);
    if (last && range.from <= last.to + 1) last.to = Math.max(last.to, range.to);
    else merged.push({ ...range });
  }
  return merged;
}

function openBothWays(groups: SecurityGroupState[], protocol: Protocol): boolean {
  return (['ingress', 'egress'] as const).every((direction) =>
    openPorts(groups, direction, protocol).some(({ from, to }) => from <= 0 && to >= 65535),
  );
}

/** Numbers of the connection tracking zones in use. What was tracked in an earlier zone is not known in the present one. */
export interface TrackingZones {
  tcp: number;
  udp: number;
}

/** The kernel's zone numbers have 16 bits. */
const LAST_ZONE = 65535;

/**
 * Follows the groups of one network interface through time. Whenever a protocol becomes open both ways, all its connections
 * become untracked: a new zone begins, in which the old ones are unknown.
 */
export class TrackingHistory {
  readonly zones: TrackingZones = { tcp: 1, udp: 1 };
  private readonly open: Record<Protocol, boolean> = { tcp: false, udp: false };
  private lastChange: number | undefined;

  /** Takes in every change of groups since the last call, one after another, then the rules as they are now. */
  follow(eni: InterfaceState, groups: Record<string, SecurityGroupState>): void {
    const groupsOf = (ids: string[]): SecurityGroupState[] => ids.flatMap((id) => groups[id] ?? []);
    for (const change of eni.groupChanges) {
      // What went on before the interface was first seen concerns no connection.
      if (this.lastChange !== undefined && change.number > this.lastChange) this.step(groupsOf(change.groups));
    }
    this.lastChange = eni.groupChanges.at(-1)?.number ?? 0;
    this.step(groupsOf(eni.groups));
  }

  private step(groups: SecurityGroupState[]): void {
    for (const protocol of ['tcp', 'udp'] as const) {
      const open = openBothWays(groups, protocol);
      if (open && !this.open[protocol]) this.zones[protocol] = (this.zones[protocol] % LAST_ZONE) + 1;
      this.open[protocol] = open;
    }
  }
}
