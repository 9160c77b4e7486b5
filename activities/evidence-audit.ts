import { GetObjectCommand } from '@aws-sdk/client-s3';
import { verifyChain, type ChainHead } from '../domain/custody/chain';
import { type AuditDifference, type AuditRecord, type CaseAudit, isInSample } from '../domain/evidence-audit';
import { inventoryOf, type KnownObject, objectsIn } from '../domain/evidence-inventory';
import type { AwsClients } from './aws/clients';
import { awsStep } from './aws/errors';
import type { AuditFindings } from './audit-findings';
import { auditKeys } from './audit-keys';
import { auditObjects } from './audit-objects';
import { auditForensicSnapshots, auditSourceSnapshots } from './audit-snapshots';
import { caseFolder, listVersions, readCaseRecord, readCaseRecords } from './case-evidence';
import type { ForensicsConfig } from './config';
import { noteAct } from './custody-acts';
import type { CustodyLog } from './custody-log';
import { createEvidenceStore } from './evidence-store';
import type { KeepingActivities } from './types';

/** Long enough that a yearly look finds the one before it. Audits lie beside the cases, so that they hold no purge up. */
const RECORD_RETENTION_DAYS = 400;
const auditKey = (caseId: string): string => `audits/${caseId}.json`;
/** Written by the sealing; names every object of the case's evidence with its digest. */
const sealedListKey = (caseId: string): string => `${caseFolder(caseId)}bundle/files.jsonl`;

/** Reads evidence again and holds it against the custody log. Changes nothing but to write down what it saw. */
export function createEvidenceAuditActivities(parts: {
  config: ForensicsConfig;
  clients: AwsClients;
  custodyLog: CustodyLog;
}): Pick<KeepingActivities, 'listCasesToAudit' | 'auditCase'> {
  const { config, clients, custodyLog } = parts;
  const store = createEvidenceStore(parts);
  const bucket = config.buckets.evidence;
  const forensics = () => clients.forensics();

  return {
    async listCasesToAudit({ seed, sample = 1 }) {
      const records = await readCaseRecords(forensics(), config.caseTable);
      const closed = records.filter(({ status, target }) => status === 'closed' && target.region === config.region);
      return closed
        .map(({ caseId }) => caseId)
        .filter((caseId) => isInSample(caseId, seed, sample))
        .sort();
    },

    async auditCase({ caseId, disks }) {
      const record = await readCaseRecord(forensics(), config.caseTable, caseId);
      const entries = await custodyLog.read(caseId);
      const last = await lastAudit(caseId);
      const found: AuditFindings = { differences: [], notes: [], lockEnds: {}, before: last.audit?.lockEnds ?? {} };
      found.differences.push(...last.differences);
      const head = auditLog(found, caseId, entries, last.audit?.head);
      const inventory = inventoryOf(entries);
      if (inventory.purgedAt !== undefined) {
        found.notes.push(`the evidence was purged at ${inventory.purgedAt}: only the custody log is checked`);
        return finish(caseId, found, head, { objects: 0, bytes: 0, snapshots: 0, snapshotsReread: 0 }, entries.length);
      }
      for (const exhibit of inventory.unplaced)
        found.notes.push(`exhibit ${exhibit} is not checked: the custody log does not say where it lies`);
      const listed = await listVersions(forensics(), bucket, caseFolder(caseId));
      const sealed = await sealedObjects(found, caseId);
      const known = [...inventory.objects, ...sealed];
      const objects = await auditObjects(forensics(), config, { ...inventory, objects: known }, listed, found);
      const copies = await auditForensicSnapshots(forensics(), inventory.snapshots, disks, found);
      const sources = await auditSourceSnapshots(clients, record.target, caseId, inventory.snapshots, found);
      await auditKeys(forensics(), [config.evidenceKeyArn, ...inventory.snapshots.map(({ keyArn }) => keyArn)], found);
      const checked = { ...objects, ...copies, snapshots: copies.snapshots + sources };
      return finish(caseId, found, head, checked, entries.length);
    },
  };

  /** The record of the last audit: the newest version of its object, whatever lies over it. */
  async function lastAudit(caseId: string): Promise<{ audit?: AuditRecord; differences: AuditDifference[] }> {
    const key = auditKey(caseId);
    const listed = (await listVersions(forensics(), bucket, key)).filter((one) => one.key === key);
    const marker = listed.find(({ isDeleteMarker }) => isDeleteMarker);
    const differences: AuditDifference[] = marker
      ? [{ what: `s3://${bucket}/${key}`, problem: 'somebody deleted the record of the last audit', severity: 'high' }]
      : [];
    // S3 lists the versions of a key from the newest to the oldest. Source: ListObjectVersions, "Response Syntax".
    const newest = listed.find(({ isDeleteMarker }) => !isDeleteMarker);
    if (!newest) return { differences };
    const text = await readText({ bucket, key, versionId: newest.versionId });
    return { audit: JSON.parse(text) as AuditRecord, differences };
  }

  /** Objects that the sealed list names; of a case that was never sealed none. */
  async function sealedObjects(found: AuditFindings, caseId: string): Promise<KnownObject[]> {
    const key = sealedListKey(caseId);
    const versions = (await listVersions(forensics(), bucket, key)).filter((one) => one.key === key);
    const oldest = versions.filter(({ isDeleteMarker }) => !isDeleteMarker).at(-1);
    if (!oldest) return [];
    const text = await readText({ bucket, key, versionId: oldest.versionId });
    return text.split('\n').flatMap((line) => {
      if (line === '') return [];
      try {
        const file = JSON.parse(line) as { sha256?: string; sizeBytes?: number; object?: object };
        return objectsIn({ ...file.object, sha256: file.sha256, sizeBytes: file.sizeBytes });
      } catch {
        found.differences.push({
          what: `s3://${bucket}/${key}`,
          problem: 'a line of it is not JSON',
          severity: 'high',
        });
        return [];
      }
    });
  }

  async function readText({
    bucket: Bucket,
    key: Key,
    versionId: VersionId,
  }: {
    bucket: string;
    key: string;
    versionId: string;
  }) {
    return awsStep(`reading s3://${Bucket}/${Key}`, async (options) => {
      const answer = await forensics().s3.send(new GetObjectCommand({ Bucket, Key, VersionId }), options);
      return (await answer.Body?.transformToString()) ?? '';
    });
  }

  async function finish(
    caseId: string,
    { differences, notes, lockEnds, before }: AuditFindings,
    head: ChainHead,
    checked: Omit<CaseAudit['checked'], 'entries'>,
    entries: number,
  ): Promise<CaseAudit> {
    const audit: CaseAudit = {
      caseId,
      auditedAt: new Date().toISOString(),
      head,
      checked: { ...checked, entries },
      differences,
      notes,
      // What is gone keeps the end that it was to have: a lock is not forgotten with what it was on.
      lockEnds: { ...before, ...lockEnds },
    };
    const stored = await store.putEvidence({
      key: auditKey(caseId),
      body: Buffer.from(JSON.stringify({ format: 'ec2-forensics-audit/1', ...audit } satisfies AuditRecord, null, 2)),
      contentType: 'application/json',
      retentionDays: RECORD_RETENTION_DAYS,
    });
    noteAct({
      message: `The evidence was audited: ${differences.length} difference(s); the record is s3://${bucket}/${stored.key}`,
      sha256: stored.sha256,
      data: { differences: differences.length, record: { key: stored.key, version: stored.versionId } },
    });
    return audit;
  }
}

/** Where the log ends, for the next audit; a broken one keeps the end that is known. */
function auditLog(
  { differences }: AuditFindings,
  caseId: string,
  entries: Parameters<typeof verifyChain>[0],
  known: ChainHead | undefined,
): ChainHead {
  const verdict = verifyChain(entries, caseId, known);
  if (verdict.holds) return verdict.head;
  differences.push({
    what: `custody log of case ${caseId}, entry ${verdict.line}`,
    problem: verdict.problem,
    severity: 'critical',
  });
  return known ?? { caseId, sequence: 0, hash: '' };
}
