import type { IpPermission, SecurityGroup } from '@aws-sdk/client-ec2';

export type Direction = 'ingress' | 'egress';

/** One rule with one peer: what can be compared, revoked and authorized on its own. */
export interface Rule {
  direction: Direction;
  /** As EC2 takes it, with this one peer only and without a description. */
  permission: IpPermission;
  /** Equal for equal rules. */
  id: string;
}

/** All rules of a group, one peer each: IPv4, IPv6, prefix lists and other groups. */
export function rulesOf(group: SecurityGroup): Rule[] {
  return [
    ...(group.IpPermissions ?? []).flatMap((permission) => singleRules('ingress', permission)),
    ...(group.IpPermissionsEgress ?? []).flatMap((permission) => singleRules('egress', permission)),
  ];
}

export function singleRules(direction: Direction, permission: IpPermission): Rule[] {
  const { IpProtocol: protocol, FromPort: from, ToPort: to } = permission;
  // "All traffic" has no ports; some answers carry -1 or 0–65535 for it all the same.
  const ports = protocol === '-1' ? {} : { FromPort: from, ToPort: to };
  const rule = (peer: string, part: Partial<IpPermission>): Rule => ({
    direction,
    permission: { IpProtocol: protocol, ...ports, ...part },
    id: [direction, protocol, ports.FromPort ?? '', ports.ToPort ?? '', peer].join('|'),
  });
  return [
    ...(permission.IpRanges ?? []).map(({ CidrIp }) => rule(CidrIp ?? '', { IpRanges: [{ CidrIp }] })),
    ...(permission.Ipv6Ranges ?? []).map(({ CidrIpv6 }) => rule(CidrIpv6 ?? '', { Ipv6Ranges: [{ CidrIpv6 }] })),
    ...(permission.PrefixListIds ?? []).map(({ PrefixListId }) =>
      rule(PrefixListId ?? '', { PrefixListIds: [{ PrefixListId }] }),
    ),
    ...(permission.UserIdGroupPairs ?? []).map(({ GroupId, UserId }) =>
      rule(GroupId ?? '', { UserIdGroupPairs: [{ GroupId, ...(UserId !== undefined && { UserId }) }] }),
    ),
  ];
}

/** What has to go and what has to come, so that `actual` becomes `desired`. */
export function ruleChanges(actual: Rule[], desired: Rule[]): { revoke: Rule[]; authorize: Rule[] } {
  const without = (rules: Rule[], others: Rule[]): Rule[] => {
    const known = new Set(others.map(({ id }) => id));
    return rules.filter(({ id }) => !known.has(id));
  };
  return { revoke: without(actual, desired), authorize: without(desired, actual) };
}
