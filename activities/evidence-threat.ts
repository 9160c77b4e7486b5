import { DescribeSnapshotsCommand } from '@aws-sdk/client-ec2';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { ApplicationFailure } from '@temporalio/common';
import { type EvidenceThreat, isOwnCall, type OwnRoles } from '../domain/evidence-threat';
import type { CaseRecord } from '../domain/outcome';
import type { AccountClients, AwsClients } from './aws/clients';
import { awsCode, awsStep, isRetryable } from './aws/errors';
import { CASE_TAG } from './aws/idempotency';
import { readCaseRecords } from './case-evidence';
import type { ForensicsConfig } from './config';
import type { CustodyLog } from './custody-log';
import { inventoryOf } from '../domain/evidence-inventory';
import type { KeepingActivities } from './types';

const CASE_OF_KEY = /^cases\/([^/]+)\//;

/** Finds the cases whose evidence a call works on. */
export function createEvidenceThreatActivities(parts: {
  config: ForensicsConfig;
  clients: AwsClients;
  custodyLog: CustodyLog;
}): Pick<KeepingActivities, 'findThreatenedCases'> {
  const { config, clients, custodyLog } = parts;
  const forensics = () => clients.forensics();

  return {
    async findThreatenedCases({ threat }) {
      if (isOwnCall(threat, await ownRoles(threat)))
        return { caseIds: [], because: 'the product itself made the call' };
      const { target } = threat;
      switch (target.kind) {
        case 'snapshots':
          return { caseIds: await casesOfSnapshots(threat, target.snapshotIds), because: 'snapshots of no case' };
        case 'object': {
          if (target.bucket !== config.buckets.evidence)
            return { caseIds: [], because: 'it is not the evidence bucket' };
          const caseId = CASE_OF_KEY.exec(target.key ?? '')?.[1];
          return {
            caseIds: caseId === undefined ? await everyCase() : await known([caseId]),
            because: 'no case has objects there',
          };
        }
        case 'key':
          return { caseIds: await casesOfKey(threat, target.keyId), because: 'it is not a key of evidence' };
        case 'table':
          return {
            caseIds: target.table === config.caseTable ? await everyCase() : [],
            because: 'it is not the case table',
          };
        case 'trail':
          return threat.accountId === config.forensicsAccountId
            ? { caseIds: await everyCase(), because: 'there is no case' }
            : {
                caseIds: await everyCase((record) => record.target.accountId === threat.accountId),
                because: 'the account has no case',
              };
      }
    },
  };

  async function ownRoles({ accountId }: EvidenceThreat): Promise<OwnRoles> {
    const { Arn: worker = '' } = await awsStep('asking who the worker is', (options) =>
      forensics().sts.send(new GetCallerIdentityCommand({}), options),
    );
    const partition = config.evidenceKeyArn.split(':')[1] ?? 'aws';
    const role = (account: string, name: string): string => `arn:${partition}:iam::${account}:role/${name}`;
    // A session's ARN names its role: arn:aws:sts::<account>:assumed-role/<role>/<session>.
    const assumed = /:assumed-role\/([^/]+)\//.exec(worker)?.[1];
    return {
      worker: [worker, ...(assumed === undefined ? [] : [role(config.forensicsAccountId, assumed)])],
      acquire: accountId === config.forensicsAccountId ? [] : [role(accountId, config.memberRoles.acquire)],
      purge: config.purgeRole === undefined ? [] : [role(config.forensicsAccountId, config.purgeRole)],
    };
  }

  /** Every case of the Region whose evidence is still there. */
  async function everyCase(only: (record: CaseRecord) => boolean = () => true): Promise<string[]> {
    const records = await readCaseRecords(forensics(), config.caseTable);
    return records
      .filter(({ target }) => target.region === config.region)
      .filter(only)
      .map(({ caseId }) => caseId)
      .sort();
  }

  async function known(caseIds: string[]): Promise<string[]> {
    const all = new Set(await everyCase());
    return caseIds.filter((caseId) => all.has(caseId));
  }

  /** By the tag; of a snapshot that is gone by now, by what the logs say. */
  async function casesOfSnapshots({ accountId }: EvidenceThreat, ids: string[]): Promise<string[]> {
    const found = new Set<string>();
    const gone: string[] = [];
    for (const snapshotId of ids) {
      const tagged = await caseOfSnapshot(accountId, snapshotId);
      if (tagged === undefined) gone.push(snapshotId);
      else found.add(tagged);
    }
    if (gone.length > 0) {
      for (const caseId of await everyCase()) {
        const text = JSON.stringify(await custodyLog.read(caseId));
        if (gone.some((snapshotId) => text.includes(`"${snapshotId}"`))) found.add(caseId);
      }
    }
    return known([...found]);
  }

  async function caseOfSnapshot(accountId: string, snapshotId: string): Promise<string | undefined> {
    try {
      const { Snapshots: snapshots } = await awsStep(
        `looking at snapshot ${snapshotId} of account ${accountId}`,
        (options) => ownerOf(accountId).ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [snapshotId] }), options),
      );
      return snapshots?.[0]?.Tags?.find(({ Key }) => Key === CASE_TAG)?.Value;
    } catch (error) {
      const passing = error instanceof ApplicationFailure && isRetryable(error);
      if (passing || !(error instanceof ApplicationFailure)) throw error;
      if (awsCode(error) === 'InvalidSnapshot.NotFound' || error.type === 'AccessDenied') return undefined;
      throw error;
    }
  }

  function ownerOf(accountId: string): AccountClients {
    return accountId === config.forensicsAccountId ? forensics() : clients.member(accountId, config.region, 'acquire');
  }

  async function casesOfKey({ accountId }: EvidenceThreat, keyId: string): Promise<string[]> {
    const isEvidenceKey = keyId === config.evidenceKeyArn || config.evidenceKeyArn.endsWith(`:key/${keyId}`);
    if (isEvidenceKey) return everyCase();
    // A key that is not the present one may be one that earlier evidence lies under.
    if (accountId !== config.forensicsAccountId) return [];
    const found: string[] = [];
    for (const caseId of await everyCase()) {
      const { snapshots } = inventoryOf(await custodyLog.read(caseId));
      if (snapshots.some(({ keyArn }) => keyArn === keyId || keyArn.endsWith(`:key/${keyId}`))) found.push(caseId);
    }
    return found;
  }
}
