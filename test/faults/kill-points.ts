import { createHash } from 'node:crypto';

/** What tells one call from another; both a call of the journal and a held one have it. */
export interface Call {
  service: string;
  action: string;
  account: string;
  parameters?: Record<string, unknown>;
}

export type Side = 'before' | 'after';

/** As the product names itself in every call (activities/aws/clients.ts). */
export const PRODUCT = 'ec2-forensics/';
/** Calls that change nothing although their names do not say so. */
const NO_CHANGE = /^(Describe|Get|List|Head|BatchGet|Query|Scan|TransactGet|Search|Lookup|AssumeRole)/;

export const isMutation = ({ action }: Pick<Call, 'action'>): boolean => !NO_CHANGE.test(action);

/** Parameters that differ between two attempts of the same call: sizes, checksums, times, ids that AWS gave meanwhile. */
const OF_THE_ATTEMPT =
  /^(ContentLength|ClientRequestToken|Checksum.*|UploadId|ObjectLockRetainUntilDate|ManifestUrl|PresignedUrl|Message|MessageAttributes|Subject)$/;
const TIME = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z\b/g;
const DIGEST = /\b[0-9a-f]{64}\b/g;

/**
 * The same for every attempt of a call of a case, another one for every other call. A write to the custody log is known by
 * the entries that it writes, since their numbers and hashes depend on who came first.
 */
export function callId({ service, action, account, parameters = {} }: Call): string {
  const entries = entriesOf(parameters);
  const told = entries.length > 0 ? entries.join(' ') : JSON.stringify(stable(parameters));
  return `${account} ${service}:${action} ${createHash('sha256').update(told).digest('hex').slice(0, 16)}`;
}

/** Keys of what a transaction on the case table says was written. */
function entriesOf(parameters: Record<string, unknown>): string[] {
  const { TransactItems: items } = parameters;
  if (!Array.isArray(items)) return [];
  const written = [...JSON.stringify(items).matchAll(/"WRITTEN#([^"]+)"/g)].map((match) => match[1] ?? '');
  return written.sort();
}

function stable(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(TIME, '<time>').replace(DIGEST, '<digest>');
  if (Array.isArray(value)) return value.map(stable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !OF_THE_ATTEMPT.test(name))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, one]) => [name, stable(one)]),
  );
}

/** A call at which the worker is killed, in the order in which the case came to it. */
export interface KillPoint {
  id: string;
  account: string;
  service: string;
  action: string;
  /** Of its account, service and action, from 1. */
  ordinal: number;
  /** What it is done to, for people. */
  subject: string;
  killed: Record<Side, boolean>;
}

/** Calls of one kind at which a worker is killed, at most: a call that looks like another one in every attempt has to show. */
const MOST_OF_A_KIND = 100;

/** At which calls the worker was killed, and at which it still has to be. */
export class KillPoints {
  private readonly points = new Map<string, KillPoint>();

  /** @param wanted which calls; all mutations when absent */
  constructor(private readonly wanted: (point: KillPoint) => boolean = () => true) {}

  /** The side on which the worker has to be killed next at this call; undefined when the call may go. */
  next(call: Call): Side | undefined {
    if (!isMutation(call)) return undefined;
    const point = this.of(call);
    if (!this.wanted(point)) return undefined;
    if (!point.killed.before) return 'before';
    return point.killed.after ? undefined : 'after';
  }

  killed(call: Call, side: Side): void {
    this.of(call).killed[side] = true;
  }

  all(): KillPoint[] {
    return [...this.points.values()].filter((point) => this.wanted(point));
  }

  private of(call: Call): KillPoint {
    const id = callId(call);
    const known = this.points.get(id);
    if (known) return known;
    const { account, service, action } = call;
    const ordinal = 1 + [...this.points.values()].filter((one) => sameKind(one, call)).length;
    if (ordinal > MOST_OF_A_KIND)
      throw new Error(`${service}:${action} never looks the same twice: teach callId about it`);
    const point = {
      id,
      account,
      service,
      action,
      ordinal,
      subject: subjectOf(call),
      killed: { before: false, after: false },
    };
    this.points.set(id, point);
    return point;
  }
}

export const sameKind = (one: Call | KillPoint, other: Call | KillPoint): boolean =>
  one.account === other.account && one.service === other.service && one.action === other.action;

export const kindOf = ({ account, service, action }: Call | KillPoint): string => `${account} ${service}:${action}`;

/** The parameter that says best what a call is about. */
function subjectOf({ parameters = {} }: Call): string {
  const entries = entriesOf(parameters);
  if (entries.length > 0)
    return entries
      .map((entry) => entry.replace(/^[0-9a-f-]{36}/, '…'))
      .join(', ')
      .slice(0, 60);
  const { Bucket, Key, ...rest } = parameters;
  if (typeof Bucket === 'string') return `${Bucket}/${String(Key)}`.slice(-60);
  const named = Object.entries(rest).find(([name]) => /Ids?(\.\d+)?$|Name$|Resources|Arn$|Instance/.test(name));
  return named ? JSON.stringify(named[1]).replace(/"/g, '').slice(0, 60) : '';
}
