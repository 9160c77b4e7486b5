import type { LayerOutcome } from './layer';
import type { IsolationMeasurement } from './measurement';
import type { EdgeAddress } from './plan';

export interface InterfaceOutcome {
  networkInterfaceId: string;
  outcome: 'isolated' | 'failed';
  groupsBefore: string[];
  groupsAfter: string[];
  reason?: string;
}

/** What became of an address at the Internet edge. */
export interface EdgeOutcome extends EdgeAddress {
  outcome: 'removed' | 'failed';
  /** Of an elastic address: by which a release finds it. */
  allocationId?: string;
  reason?: string;
}

/** What isolation did, by re-reading every interface afterwards. What failed undoes nothing that succeeded. */
export interface ContainmentResult {
  outcome: 'isolated' | 'partially-isolated' | 'failed';
  /** Every layer that was applied, in that order: with the states before and after, by which a release undoes it. */
  layers: LayerOutcome[];
  internetEdge: EdgeOutcome[];
  interfaces: InterfaceOutcome[];
  residualPaths: string[];
  /** What the instance itself found that still flows; absent while the measurement runs. */
  measured?: IsolationMeasurement;
  /** ISO 8601; when the last interface was seen isolated. */
  verifiedAt: string;
}
