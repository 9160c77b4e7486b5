import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import proto from '@temporalio/proto';
import { AwsClients } from '../../activities/aws/clients';
import { CustodyLog } from '../../activities/custody-log';
import { createEvidenceStore, type StoredEvidence } from '../../activities/evidence-store';
import { createSealingActivities, type SealingParts } from '../../activities/sealing/sealing';
import { eventsAsJson } from '../../activities/sealing/temporal-history';
import type { SealCaseInput, SealingActivities } from '../../activities/types';
import { BLOCK_BYTES, lineOfBlock, rootOfBlockLines } from '../../domain/custody/block-digests';
import type { CustodyDraft } from '../../domain/custody/entry';
import type { Exhibit } from '../../domain/evidence';
import type { CaseOutcome } from '../../domain/outcome';
import { LAB_ACCOUNTS, LAB_REGION } from '../../lab/config';
import { deploy, type LabDeployment } from '../../lab/seed/deployment';
import { type EmulatedAws, startEmulatedAws } from '../lab/aws/emulated-aws';
import { sha256 } from './memory-fixture';
import { CASE_ID, caseRequest } from './support';

export const VOLUME = 'vol-0123456789abcdef0';
const INSTANCE = 'i-0123456789abcdef0';
const PLAN_HASH = 'a'.repeat(64);
const AT = '2026-11-22T07:31:00.000Z';
const HISTORIES = path.join(__dirname, '../replay/histories');

/** The histories that replay tests hold, under the workflow ids of the case. */
const STORED: Record<string, string> = {
  [`forensic-case/${INSTANCE}`]: 'case-with-three-volumes-approved.pb',
  [`${CASE_ID}/memory`]: 'memory-acquisition.pb',
  [`${CASE_ID}/disk/${VOLUME}`]: 'disk-acquisition-re-encrypted.pb',
};

const storedEvents = (file: string) =>
  proto.temporal.api.history.v1.History.decode(readFileSync(path.join(HISTORIES, file))).events;

/** The accounts as set-up makes them, IAM enforced, with a case of one memory image and one disk ready to be sealed. */
export interface SealingLab {
  aws: EmulatedAws;
  deployment: LabDeployment;
  clients: AwsClients;
  log: CustodyLog;
  input: SealCaseInput;
  /** Activities of a worker of its own. */
  worker(parts?: Partial<SealingParts>): SealingActivities;
  stop(): Promise<void>;
}

export async function startSealingLab(): Promise<SealingLab> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'sealing-'));
  const aws = await startEmulatedAws({ snapshotSeconds: 0, copySeconds: 0 });
  const deployment = await deploy({
    endpoints: { aws: aws.emulator.url, ssm: aws.emulator.url },
    temporalAddress: 'none',
    stateFolder: folder,
    memoryTools: [],
  });
  Object.assign(process.env, deployment.environment);
  const { config } = deployment;
  const clients = new AwsClients(config);
  const log = new CustodyLog({ config, clients });
  const outcome = await storedEvidence({ config, clients });
  await log.append(CASE_ID, drafts(outcome.exhibits));
  const input: SealCaseInput = {
    caseId: CASE_ID,
    workflowId: `forensic-case/${INSTANCE}`,
    runId: 'run-1',
    childWorkflowIds: [`${CASE_ID}/memory`, `${CASE_ID}/disk/${VOLUME}`, `${CASE_ID}/examination/never-started`],
    request: caseRequest({ accountId: LAB_ACCOUNTS.member, region: LAB_REGION, instanceId: INSTANCE }),
    facts: null,
    plan: null,
    outcome,
    retentionDays: 30,
  };
  return {
    aws,
    deployment,
    clients,
    log,
    input,
    worker: (parts = {}) =>
      createSealingActivities({
        config,
        clients,
        custodyLog: log,
        readHistory: (workflowId) => {
          const file = STORED[workflowId];
          return Promise.resolve(file === undefined ? undefined : eventsAsJson(storedEvents(file)));
        },
        ...parts,
      }),
    async stop() {
      clients.destroy();
      await aws.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const service = { name: 'arn:aws:sts::444455556666:assumed-role/worker/1', knownBy: 'service' } as const;

export const draft = (entryId: string, more: Partial<CustodyDraft>): CustodyDraft => ({
  entryId,
  kind: 'act',
  message: entryId,
  at: AT,
  notify: false,
  actor: service,
  ...more,
});

function drafts(exhibits: Exhibit[]): CustodyDraft[] {
  const disk = { id: VOLUME, kind: 'disk', source: VOLUME } as const;
  return [
    draft('opened', { kind: 'case-opened', notify: true }),
    draft('snapshot', {
      data: { instanceId: INSTANCE, snapshots: [{ volumeId: VOLUME, snapshotId: 'snap-0000000000000000a' }] },
    }),
    draft('copy', { exhibit: disk, data: { from: 'snap-0000000000000000a', snapshotId: 'snap-0000000000000000b' } }),
    draft('decided', {
      kind: 'decision-taken',
      actor: { name: 'ann', knownBy: 'claimed' },
      data: { checkpoint: 'isolation', verdict: 'approve', approver: 'ann', planHash: PLAN_HASH },
    }),
    ...exhibits.map(({ id, kind, source, sha256: digest, blocks }) =>
      draft(`acquired-${id}`, {
        kind: 'exhibit-acquired',
        exhibit: { id, kind, source },
        data: { exhibit: id, sha256: digest, ...(blocks && { blocks }) },
      }),
    ),
    draft('report', { message: 'the report was written' }),
  ];
}

async function storedEvidence(parts: Pick<SealingParts, 'config' | 'clients'>): Promise<CaseOutcome> {
  const store = createEvidenceStore(parts);
  const keep = (name: string, content: string): Promise<StoredEvidence> =>
    store.putEvidence({
      key: `cases/${CASE_ID}/${name}`,
      body: Buffer.from(content),
      contentType: 'application/octet-stream',
      retentionDays: 30,
    });
  const memory = await keep('memory/attempt-1/memory.lime', 'bytes of a memory image');
  const lines = [0, 3].map((index) => lineOfBlock({ index, sha256: sha256(`block ${index}`) }));
  const blocks = await keep(`disks/${VOLUME}/blocks.txt`, lines.join(''));
  const timeline = await keep(`examination/${VOLUME}/timeline.jsonl.gz`, 'a timeline');
  const findings = await keep(`examination/${VOLUME}/findings.json`, '[]\n');
  const report = await keep('report.html', '<p>report</p>');
  return {
    caseId: CASE_ID,
    workflowId: `forensic-case/${INSTANCE}`,
    outcome: 'complete',
    reasons: [],
    phases: [],
    exhibits: [
      {
        id: 'memory',
        kind: 'memory',
        source: INSTANCE,
        sha256: memory.sha256,
        sizeBytes: memory.sizeBytes,
        location: { s3: { bucket: memory.bucket, key: memory.key, versionId: memory.versionId } },
        acquiredAt: AT,
        tool: { name: 'avml', version: '0.21.0' },
        notes: [],
      },
      {
        id: VOLUME,
        kind: 'disk',
        source: VOLUME,
        sha256: sha256('the whole disk'),
        sizeBytes: 8 * BLOCK_BYTES,
        location: {
          snapshotId: 'snap-0000000000000000b',
          accountId: LAB_ACCOUNTS.forensics,
          region: LAB_REGION,
          keyArn: parts.config.evidenceKeyArn,
        },
        acquiredAt: AT,
        tool: { name: 'ec2-forensics block reader', version: '1' },
        notes: [],
        companions: [blocks],
        blocks: {
          blockSizeBytes: BLOCK_BYTES,
          count: 8,
          merkleRoot: rootOfBlockLines(
            lines.map((line) => line.trim()),
            8,
          ),
          list: blocks,
        },
      },
    ],
    missing: [],
    examinations: [
      {
        exhibit: VOLUME,
        kind: 'disk',
        outcome: 'succeeded',
        findings: [],
        allFindings: { ...findings, count: 0 },
        tools: [{ tool: 'plaso', version: '20260119', outcome: 'succeeded', records: 1, seconds: 1 }],
        timeline: { ...timeline, events: 1 },
      },
    ],
    decisions: [
      {
        checkpoint: 'isolation',
        verdict: 'approve',
        approver: 'ann',
        planHash: PLAN_HASH,
        decidedAt: AT,
        door: 'update',
        knownBy: 'claimed',
      },
    ],
    report,
  };
}
