import type { ExhibitKind } from '../evidence';

/** Who did it, and how that is known: nobody is named as certain who only typed a name. */
export interface CustodyActor {
  /** ARN of the principal, or the name that was given. */
  name: string;
  /** `proven`: STS vouched for the principal. `service`: a role of the product. `claimed`: a name somebody typed. */
  knownBy: 'proven' | 'service' | 'claimed';
}

/** What counsel asks of an act on the suspect or on evidence, beside what happened and when. All of it is plain JSON. */
export interface CustodyFacts {
  actor: CustodyActor;
  exhibit?: { id: string; kind: ExhibitKind; source: string };
  /** `sha256`, hexadecimal: of the program as it was run. */
  tool?: { name: string; version: string; sha256?: string; arguments?: string[] };
  /** SSM document that was run: its name, version and SHA-256. */
  document?: { name: string; version: string; sha256: string };
  /** Request ids of AWS, by which CloudTrail has the same act. */
  awsRequestIds?: string[];
  /** SHA-256, hexadecimal, of what came out. */
  sha256?: string;
  /** Decision under which it was done: the checkpoint and the hash of the plan that was approved. */
  authority?: { checkpoint: string; planHash: string };
  /** Seconds by which the suspect's clock was ahead of ours (negative: behind), as measured at the act. */
  clockOffsetSeconds?: number;
}
