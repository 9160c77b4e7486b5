import type { Account } from './account';
import type { Resources } from './resources';

/** Two accounts of AWS, or of what stands in for it: all that a contract test knows. */
export interface ContractTarget {
  region: string;
  /** Two Availability Zones; resources are made in the first. */
  zones: [string, string];
  /** The account with the suspects. */
  member: Account;
  /** The account that takes evidence over. */
  forensics: Account;
  resources: Resources;
  /** An image of Amazon's or the lab's that starts in the member account. */
  imageId: () => Promise<string>;
  /** A running Linux instance of the member account that Systems Manager manages; the same at every call. */
  linuxInstance: () => Promise<string>;
  /** An address outside of the VPC that answers TCP connections of an instance with a public address. */
  outside: { host: string; port: number };
  /** Whether security groups stop packets: not in a lab without root. */
  filtersPackets: boolean;
  /** Runs something while new snapshots, or new copies of snapshots, stay pending; on AWS they do for a minute or more. */
  whilePending: <T>(kind: 'snapshots' | 'copies', run: () => Promise<T>) => Promise<T>;
  /** Deletes everything that was made, then ends. Rejects with a list of what is left. */
  stop: () => Promise<void>;
}
