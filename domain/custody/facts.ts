import type { ExhibitKind } from '../evidence';

/** Who did it, and how that is known: nobody is named as certain who only typed a name. */
export interface CustodyActor {
  /** ARN of the principal, or the name that was given. */
  name: string;
  /** `proven`: STS vouched for the principal. `service`: a role of the product. `claimed`: a name somebody typed. */
  knownBy: 'proven' | 'service' | 'claimed';
}

/** One call that changed something at AWS, by which CloudTrail has the same act. */
export interface AwsCall {
  /** e.g. `ec2:CreateSnapshots` */
  call: string;
  requestId: string;
  accountId: string;
  /** AWS's error code, of a call that was refused or failed. */
  error?: string;
}

/** What counsel asks of an act on the suspect or on evidence, beside what happened and when. All of it is plain JSON. */
export interface CustodyFacts {
  actor: CustodyActor;
  exhibit?: { id: string; kind: ExhibitKind; source: string };
  /** `sha256`, hexadecimal: of the program as it was run. */
  tool?: { name: string; version: string; sha256?: string; arguments?: string[] };
  /** SSM document that was run: its name, version and SHA-256. */
  document?: { name: string; version: string; sha256: string };
  /** The calls by which it was done. A call whose answer was lost with a worker is in CloudTrail only. */
  awsCalls?: AwsCall[];
  /** Calls beyond those that an entry has room for. */
  awsCallsNotListed?: number;
  /** SHA-256, hexadecimal, of what came out. */
  sha256?: string;
  /** Decision under which it was done: the checkpoint and the hash of the plan that was approved. */
  authority?: { checkpoint: string; planHash: string };
  /** Seconds by which the suspect's clock was ahead of ours (negative: behind), as measured at the act. */
  clockOffsetSeconds?: number;
}
