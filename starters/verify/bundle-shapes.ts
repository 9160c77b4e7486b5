import { BUNDLE_FILES, BUNDLE_FORMAT, type Manifest, type Seal, type SealedFile } from '../../domain/custody/bundle';
import type { CustodyEntry } from '../../domain/custody/entry';
import { UnreadableBundle } from './bundle-reader';

/**
 * Whether what a bundle's files hold can be read as what it should be. Whoever hands a bundle over may have written anything into
 * it. All of these throw UnreadableBundle, and name file and line.
 */
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const texts = (value: Record<string, unknown>, ...names: string[]): boolean =>
  names.every((name) => typeof value[name] === 'string');
const listOf = (value: unknown, holds: (item: Record<string, unknown>) => boolean): boolean =>
  Array.isArray(value) && value.every((item) => isRecord(item) && holds(item));

export function asSeal(content: unknown): Seal {
  const value = isRecord(content) ? content : {};
  if (value.format !== BUNDLE_FORMAT)
    throw new UnreadableBundle(
      `${BUNDLE_FILES.seal} is not of format ${BUNDLE_FORMAT}: this verifier does not know it`,
    );
  const { custody, files } = value;
  const whole =
    texts(value, 'caseId', 'sealedAt') &&
    isRecord(custody) &&
    typeof custody.sequence === 'number' &&
    texts(custody, 'hash') &&
    isRecord(files) &&
    typeof files.count === 'number' &&
    texts(files, 'merkleRoot');
  if (!whole) throw new UnreadableBundle(`${BUNDLE_FILES.seal} lacks caseId, sealedAt, custody or files`);
  return content as Seal;
}

export const asFiles = (values: unknown[]): SealedFile[] =>
  linesAs<SealedFile>(
    BUNDLE_FILES.list,
    values,
    (one) =>
      texts(one, 'path', 'sha256') &&
      typeof one.sizeBytes === 'number' &&
      (one.object === undefined || (isRecord(one.object) && texts(one.object, 'key', 'versionId'))) &&
      (one.lines === undefined || (Array.isArray(one.lines) && one.lines.every((line) => typeof line === 'string'))),
  );

export const asEntries = (values: unknown[]): CustodyEntry[] =>
  linesAs<CustodyEntry>(
    BUNDLE_FILES.custodyLog,
    values,
    (one) =>
      texts(one, 'caseId', 'kind', 'previous', 'hash') &&
      typeof one.sequence === 'number' &&
      (one.data === undefined || isRecord(one.data)),
  );

export function asManifest(content: unknown): Manifest {
  const value = isRecord(content) ? content : {};
  const whole =
    texts(value, 'caseId') &&
    listOf(value.exhibits, isExhibit) &&
    listOf(value.decisions, (one) => texts(one, 'checkpoint', 'verdict', 'approver', 'planHash'));
  if (!whole) throw new UnreadableBundle(`${BUNDLE_FILES.manifest} lacks caseId, exhibits or decisions`);
  return content as Manifest;
}

const isExhibit = (one: Record<string, unknown>): boolean =>
  texts(one, 'id', 'sha256', 'kind') &&
  (one.path === undefined || typeof one.path === 'string') &&
  (one.blocks === undefined || isBlockDigests(one.blocks));

const isBlockDigests = (blocks: unknown): boolean =>
  isRecord(blocks) &&
  Number.isSafeInteger(blocks.count) &&
  texts(blocks, 'merkleRoot') &&
  isRecord(blocks.list) &&
  texts(blocks.list, 'key', 'versionId');

function linesAs<T>(name: string, values: unknown[], holds: (value: Record<string, unknown>) => boolean): T[] {
  const line = values.findIndex((value) => !isRecord(value) || !holds(value));
  if (line >= 0) throw new UnreadableBundle(`${name} line ${line + 1} lacks what such a line must have`);
  return values as T[];
}
