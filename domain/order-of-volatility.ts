import type { CaseEventDraft } from './case-event';
import type { Exhibit, MissingEvidence } from './evidence';

/** One kind of evidence in the order of RFC 3227 §2.1, from the most volatile down, and what the case has of it. */
export interface VolatileItem {
  item: string;
  /** Exhibits that hold it. */
  heldBy: string[];
  /** Not available, because …; a sentence where nothing or not all of it is held. */
  notAvailable?: string;
}

/**
 * What was had of a machine, and what was not and why, in the order in which it would have been lost. Source: RFC 3227 §2.1.
 */
export function orderOfVolatility(exhibits: readonly Exhibit[], missing: readonly MissingEvidence[]): VolatileItem[] {
  const held = (kind: Exhibit['kind']): string[] => exhibits.filter((one) => one.kind === kind).map(({ id }) => id);
  const reasons = (kind: Exhibit['kind']): string | undefined => {
    const all = missing.filter((one) => one.kind === kind).map(({ id, reason }) => `${id}: ${reason}`);
    return all.length > 0 ? all.join('; ') : undefined;
  };
  const memory = held('memory');
  const disks = held('disk');
  const from = (heldBy: string[], kind: Exhibit['kind']): Pick<VolatileItem, 'heldBy' | 'notAvailable'> => {
    const because = reasons(kind) ?? (heldBy.length === 0 ? `no ${kind} was asked for` : undefined);
    return { heldBy, ...(because !== undefined && { notAvailable: because }) };
  };
  return [
    {
      item: 'registers, cache',
      heldBy: [],
      notAvailable: 'EC2 gives nobody the state of a running processor; what the kernel saved of it is in memory',
    },
    { item: 'routing table, ARP cache, process table, kernel statistics, memory', ...from(memory, 'memory') },
    { item: 'temporary file systems', ...from([...memory, ...disks], memory.length > 0 ? 'disk' : 'memory') },
    { item: 'disk', ...from(disks, 'disk') },
    {
      item: 'remote logging and monitoring data that is relevant to the system',
      heldBy: [],
      notAvailable: 'this version collects no CloudTrail, VPC flow or DNS logs: secure them where they are kept',
    },
    { item: 'physical configuration, network topology', heldBy: ['the facts that triage read'] },
    {
      item: 'archival media',
      heldBy: [],
      notAvailable: 'earlier snapshots and backups of the volumes are not copied: keep them from being deleted',
    },
  ];
}

export function orderOfVolatilityTold(items: VolatileItem[]): CaseEventDraft {
  const missing = items.filter(({ notAvailable }) => notAvailable !== undefined);
  const said = missing.map(({ item, notAvailable }) => `${item}: ${notAvailable ?? ''}`);
  return {
    kind: 'order-of-volatility',
    phase: 'acquisition',
    message: `not available, in the order of volatility (RFC 3227): ${said.join('; ')}`,
    data: { items },
    notify: false,
  };
}
