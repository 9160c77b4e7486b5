import type { EdgeAddressState, EnforcedLayer, InterfaceGroupsState, LayerOutcome } from './layer';
import type { ContainmentPlan } from './plan';
import type { ContainmentResult, EdgeOutcome, InterfaceOutcome } from './result';

/**
 * What the layers came to, together.
 * @param outcomes in the order in which they were applied
 * @param lost layers that gave no outcome: nobody knows how they stand
 * @param verifiedAt ISO 8601; for a plan without layers
 */
export function resultOfLayers(
  plan: ContainmentPlan,
  outcomes: readonly LayerOutcome[],
  lost: readonly EnforcedLayer[],
  verifiedAt: string,
): ContainmentResult {
  const whole = outcomes.filter(({ outcome }) => outcome === 'applied' || outcome === 'not-needed');
  const some = outcomes.some(({ outcome }) => outcome === 'applied' || outcome === 'partially-applied');
  return {
    outcome:
      whole.length === outcomes.length && lost.length === 0 ? 'isolated' : some ? 'partially-isolated' : 'failed',
    layers: [...outcomes],
    internetEdge: outcomes.flatMap(addressesOf),
    interfaces: outcomes.flatMap(interfacesOf),
    residualPaths: [
      ...plan.residualPaths,
      ...lost.map((layer) => `whatever ${layer} was to stop: it gave no outcome`),
      ...outcomes.flatMap((outcome) => outcome.residualPaths),
    ],
    verifiedAt: outcomes.map((outcome) => outcome.verifiedAt).reduce((a, b) => (a > b ? a : b), verifiedAt),
  };
}

function addressesOf({ before, after, reason }: LayerOutcome): EdgeOutcome[] {
  if (before.layer !== 'internet-edge' || after.layer !== 'internet-edge') return [];
  const left = new Map(after.state.addresses.map((one) => [keyOf(one), one]));
  return before.state.addresses
    .filter(({ present }) => present)
    .map((one) => {
      const { networkInterfaceId, address, kind, privateIpAddress, allocationId } = one;
      const removed = left.get(keyOf(one))?.present !== true;
      return {
        networkInterfaceId,
        address,
        kind,
        ...(privateIpAddress !== undefined && { privateIpAddress }),
        ...(allocationId !== undefined && { allocationId }),
        outcome: removed ? 'removed' : 'failed',
        ...(!removed && reason !== undefined && { reason }),
      };
    });
}

const keyOf = ({ networkInterfaceId, address }: EdgeAddressState): string => `${networkInterfaceId} ${address}`;

function interfacesOf({ before, after, outcome, reason }: LayerOutcome): InterfaceOutcome[] {
  if (before.layer !== 'security-groups' || after.layer !== 'security-groups') return [];
  const groupsBefore = new Map(before.state.interfaces.map((one) => [one.networkInterfaceId, one.groups]));
  return after.state.interfaces
    .filter(({ gone }) => !gone)
    .map((one) => {
      const old = groupsBefore.get(one.networkInterfaceId) ?? [];
      const isolated = outcome === 'applied' || outcome === 'not-needed' || hasChanged(old, one);
      return {
        networkInterfaceId: one.networkInterfaceId,
        outcome: isolated ? 'isolated' : 'failed',
        groupsBefore: old,
        groupsAfter: one.groups,
        ...(!isolated && reason !== undefined && { reason }),
      };
    });
}

/** Of a layer that succeeded in part: an interface that it reached has one group, and another than before. */
const hasChanged = (old: string[], { groups }: InterfaceGroupsState): boolean =>
  groups.length === 1 && old.join() !== groups.join();
