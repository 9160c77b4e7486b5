import type { CustodyEntry } from './custody/entry';
import type { Exhibit, S3Location } from './evidence';

/** An object version that a case answers for, with the digest that it must have. */
export interface KnownObject extends Required<S3Location> {
  /** Lowercase hexadecimal. */
  sha256: string;
  sizeBytes?: number;
  /** Id of the exhibit that it is; other objects are results and records. */
  exhibit?: string;
}

/** A disk in the forensics account that a case answers for. */
export interface KnownSnapshot {
  snapshotId: string;
  accountId: string;
  region: string;
  keyArn: string;
  exhibit: string;
  /** Bytes of the device. */
  sizeBytes: number;
  /** Of the raw device. */
  sha256: string;
  /** Of its blocks, where the log has it. */
  merkleRoot?: string;
}

/** What the evidence of a case must be, as its custody log tells. */
export interface EvidenceInventory {
  objects: KnownObject[];
  snapshots: KnownSnapshot[];
  /** Exhibits of which the log does not say where they lie. */
  unplaced: string[];
  /** Whether a legal hold was put on the case and not lifted. */
  legalHold: boolean;
  /** ISO 8601: when the evidence was destroyed after its retention; the log and the seal stay. */
  purgedAt?: string;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const text = (value: unknown): value is string => typeof value === 'string' && value !== '';
const count = (value: unknown): value is number => typeof value === 'number';

/** Reads the custody log of a case, in order. What an entry says is believed: check the chain first. */
export function inventoryOf(entries: readonly CustodyEntry[]): EvidenceInventory {
  const objects = new Map<string, KnownObject>();
  const snapshots = new Map<string, KnownSnapshot>();
  const unplaced = new Set<string>();
  const inventory: EvidenceInventory = { objects: [], snapshots: [], unplaced: [], legalHold: false };
  const take = (object: KnownObject): void => {
    const name = nameOf(object);
    // The entry of an exhibit says more than others that name the same object.
    objects.set(name, { ...object, ...objects.get(name) });
  };
  for (const { kind, at, data, sha256, exhibit } of entries) {
    if (kind === 'legal-hold-changed') inventory.legalHold = data?.hold === 'on';
    if (kind === 'evidence-purged' && data?.complete === true) inventory.purgedAt = at;
    if (kind === 'exhibit-acquired' && exhibit && sha256 !== undefined) {
      const placed = placeOf(exhibit.id, sha256, data ?? {});
      if (!placed) unplaced.add(exhibit.id);
      else if ('snapshotId' in placed) snapshots.set(placed.snapshotId, placed);
      else take(placed);
    }
    for (const object of objectsIn(data)) take(object);
  }
  return { ...inventory, objects: [...objects.values()], snapshots: [...snapshots.values()], unplaced: [...unplaced] };
}

/** Names a version in S3 and nothing else. */
export const nameOf = ({ bucket, key, versionId }: Required<S3Location>): string => `${bucket}/${key}?${versionId}`;

function placeOf(
  exhibit: string,
  sha256: string,
  data: Record<string, unknown>,
): KnownObject | KnownSnapshot | undefined {
  const { location, sizeBytes, blocks } = data as Partial<Pick<Exhibit, 'location' | 'sizeBytes' | 'blocks'>>;
  if (!isRecord(location) || !count(sizeBytes)) return undefined;
  if ('s3' in location) {
    const { bucket, key, versionId } = location.s3;
    return versionId === undefined ? undefined : { bucket, key, versionId, sha256, sizeBytes, exhibit };
  }
  return { ...location, exhibit, sizeBytes, sha256, ...(blocks && { merkleRoot: blocks.merkleRoot }) };
}

/** Every object version that stands somewhere in a value together with its digest. */
export function objectsIn(value: unknown): KnownObject[] {
  if (!isRecord(value)) return [];
  const inside = Object.values(value).flatMap(objectsIn);
  const { bucket, key, versionId, sha256, sizeBytes } = value;
  if (!text(bucket) || !text(key) || !text(versionId) || !text(sha256)) return inside;
  return [{ bucket, key, versionId, sha256, ...(count(sizeBytes) && { sizeBytes }) }, ...inside];
}
