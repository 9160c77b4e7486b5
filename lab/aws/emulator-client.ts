/**
 * What the lab lets go wrong. A fault strikes calls that fit `service`, `action`, `account` and `match`; it either
 * answers an error (`code`), only waits (`delay`), or lets the call succeed and the snapshot it makes fail (`outcome`).
 */
export interface Fault {
  /** e.g. "ec2", "s3", "ssm"; any service when absent. */
  service?: string;
  /** API action, e.g. "CopySnapshot"; "*" for all. */
  action: string;
  /** Only calls by this account. */
  account?: string;
  /** Request parameters that must be equal; for a parameter that is a list, the value must be among its items. */
  match?: Record<string, string | number | boolean>;
  /** How often it strikes; 1 when absent. Counts down in what {@link EmulatorClient.faults} returns. */
  times?: number;
  /** Seconds before the answer. */
  delay?: number;
  /** AWS error code to answer. */
  code?: string;
  message?: string;
  /** HTTP status to answer instead of the one that goes with the code. */
  status?: number;
  /** "after": the action is carried out and its answer lost, which is what tests of idempotency need. */
  when?: 'before' | 'after';
  /**
   * "busy": DetachVolume leaves its attachment `busy`, as of a mounted volume, until it is detached by force.
   * "error": a snapshot or copy made by the call ends in state `error`, with `message` as its StateMessage.
   * For CreateSnapshot(s), `match: { VolumeId }` picks the volume; for CopySnapshot, `match: { SourceSnapshotId }`.
   */
  outcome?: 'error' | 'busy';
}

/** A call that the emulator saw. */
export interface RecordedCall {
  /** ISO 8601, UTC, milliseconds. */
  at: string;
  service: string;
  action: string;
  account: string;
  region: string | null;
  userAgent: string;
  /** AWS error code of the answer; null when it succeeded. */
  error: string | null;
  /** HTTP status of the answer. */
  status: number;
  milliseconds: number;
  /** Of calls that change something; cut where they pass 2 kB. Bodies of S3 objects are never kept. */
  parameters?: Record<string, unknown>;
}

/** A call that waits. `before`: nothing of it was carried out yet; `after`: it was, and its answer is withheld. */
export interface HeldCall {
  number: number;
  stage: 'before' | 'after';
  service: string;
  action: string;
  account: string;
  /** Whole, apart from bodies of S3 objects. */
  parameters: Record<string, unknown>;
}

/**
 * What becomes of a held call. `drop`: at stage `before` it is not carried out; at stage `after` its answer is lost, so the
 * caller must be gone. `carry-out`: it goes on to stage `after`. `go`: it is carried out and answered.
 */
export type HeldCallVerdict = 'drop' | 'carry-out' | 'go';

/** How an instance runs: by its tag `lab:kind`, else its image's; `paper` exists in the API only. */
export type InstanceKind = 'sandbox' | 'guest' | 'fixture' | 'paper';

export interface LabInstance {
  accountId: string;
  region: string;
  instanceId: string;
  /** EC2's state name: pending, running, stopped, terminated, … */
  state: string;
  imageId: string;
  kind: InstanceKind;
  tags: Record<string, string>;
  instanceType: string;
  availabilityZone: string;
  privateIpAddress?: string;
  volumes: { volumeId: string; device: string; sizeGiB: number; readOnlyHint: boolean }[];
  networkInterfaces: { networkInterfaceId: string; groups: string[] }[];
}

/** An SSM document as the Run Command server needs it. */
export interface LabDocument {
  Name: string;
  /** Account that owns it. */
  Owner: string;
  DocumentVersion: string;
  DocumentType: string;
  /** SHA-256 of the content, hexadecimal. */
  Hash: string;
  Content: Record<string, unknown>;
}

/** The emulator's own endpoints, beside AWS's API. Every method throws when the emulator does not answer 2xx. */
export class EmulatorClient {
  constructor(readonly url: string) {}

  /** The faults, with the times that are left. */
  faults(): Promise<Fault[]> {
    return this.request<Fault[]>('GET', 'faults');
  }

  /** Puts these in place of all faults. */
  setFaults(faults: Fault[]): Promise<Fault[]> {
    return this.request<Fault[]>('PUT', 'faults', faults);
  }

  addFaults(...faults: Fault[]): Promise<Fault[]> {
    return this.request<Fault[]>('POST', 'faults', faults);
  }

  async clearFaults(): Promise<void> {
    await this.request('DELETE', 'faults');
  }

  /**
   * Keeps snapshots, copies, instances or volumes on their way (`pending`, `stopping`, `attaching`, …) until a later
   * call names them no more. What has arrived already stays so.
   */
  async hold(...kinds: ('snapshots' | 'copies' | 'instances' | 'volumes')[]): Promise<void> {
    await this.request('PUT', 'holds', kinds);
  }

  /** From now on every change by a caller with this in its user agent waits for {@link decideHeldCalls}. */
  async holdChangesOf(userAgent: string): Promise<void> {
    await this.request('PUT', 'held', { userAgent });
  }

  /** Nothing is held any more; what waits goes on. */
  async releaseChanges(): Promise<void> {
    await this.request('DELETE', 'held');
  }

  heldCalls(): Promise<HeldCall[]> {
    return this.request<HeldCall[]>('GET', 'held');
  }

  /** Verdicts by the numbers of held calls. Answers the calls that still wait. */
  decideHeldCalls(verdicts: Record<number, HeldCallVerdict>): Promise<HeldCall[]> {
    return this.request<HeldCall[]>('POST', 'held', verdicts);
  }

  /** Every call since the start or the last {@link clearCalls}, oldest first. */
  calls(): Promise<RecordedCall[]> {
    return this.request<RecordedCall[]>('GET', 'calls');
  }

  async clearCalls(): Promise<void> {
    await this.request('DELETE', 'calls');
  }

  /** The instances of all accounts and Regions. */
  instances(): Promise<LabInstance[]> {
    return this.request<LabInstance[]>('GET', 'instances');
  }

  /**
   * The content of an SSM document that an account may use.
   * @param name a name of the account's own, or the ARN of a shared one
   * @param version a number, `$DEFAULT` or `$LATEST`; the default version when absent
   */
  document(account: string, region: string, name: string, version?: string): Promise<LabDocument> {
    const query = new URLSearchParams({ account, region, name, ...(version === undefined ? {} : { version }) });
    return this.request<LabDocument>('GET', `document?${query.toString()}`);
  }

  /** The account to which an access key belongs. */
  async accountOf(accessKeyId: string): Promise<string> {
    const query = new URLSearchParams({ akid: accessKeyId });
    return (await this.request<{ Account: string }>('GET', `account?${query.toString()}`)).Account;
  }

  /**
   * Turns on the check of every request: its signature, and the policies of whoever signed (lab/aws/overlay/iam_*.py). Make
   * users and roles first. `false` turns it off.
   */
  async enforceIam(enforce: boolean): Promise<void> {
    const answer = await fetch(`${this.url}/moto-api/reset-auth`, { method: 'POST', body: enforce ? '0' : 'inf' });
    if (!answer.ok) throw new Error(`the AWS emulator at ${this.url} answered ${answer.status} to reset-auth`);
  }

  /** Ends a session of a role, as its age would. Throws for an access key that no session has. */
  async expireSession(accessKeyId: string): Promise<void> {
    await this.request('POST', 'iam', { expireSession: accessKeyId });
  }

  private async request<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await fetch(`${this.url}/moto-api/lab/${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
    });
    const text = await answer.text();
    if (!answer.ok) {
      throw new Error(`the AWS emulator at ${this.url} answered ${answer.status} to ${method} ${path}: ${text}`);
    }
    return JSON.parse(text) as T;
  }
}
