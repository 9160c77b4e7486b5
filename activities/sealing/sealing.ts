import { sealOf, BUNDLE_FILES, linesOf, rootOfFiles, type Seal, type SealedFile } from '../../domain/custody/bundle';
import { canonicalBytes, type ChainHead, emptyChain, headOf, verifyChain } from '../../domain/custody/chain';
import type { CustodyEntry } from '../../domain/custody/entry';
import { ApplicationFailure } from '@temporalio/common';
import type { AwsClients } from '../aws/clients';
import { currentActivity } from '../aws/errors';
import type { ForensicsConfig } from '../config';
import { noteAct } from '../custody-acts';
import type { CustodyLog } from '../custody-log';
import { createEvidenceStore } from '../evidence-store';
import type { SealCaseInput, SealingActivities } from '../types';
import { contentsOf, digest, namedFile, sealedFile, type WorkflowHistory } from './bundle-contents';
import { BundleFolder, bundlePrefix } from './bundle-folder';
import { SealingKey } from './sealing-key';
import { type HistoryReader, historyOfWorkflow } from './temporal-history';

export interface SealingParts {
  config: ForensicsConfig;
  clients: AwsClients;
  custodyLog: Pick<CustodyLog, 'read'>;
  /** Brings the custody log up to what the histories say was done; called before the log is read. */
  reconcile?: (caseId: string, histories: readonly WorkflowHistory[]) => Promise<void>;
  readHistory?: HistoryReader;
}

/** Objects that are written at once. */
const WRITES_AT_ONCE = 8;

export function createSealingActivities(parts: SealingParts): SealingActivities {
  const { config, clients, custodyLog, reconcile, readHistory = historyOfWorkflow } = parts;
  const store = createEvidenceStore(parts);
  const bucket = config.buckets.evidence;

  /** Writes everything that the seal will vouch for. @returns the list */
  const writeContents = async (folder: BundleFolder, input: SealCaseInput): Promise<SealedFile[]> => {
    const { caseId, workflowId, runId, childWorkflowIds, outcome } = input;
    const own = await readHistory(workflowId, runId);
    const histories: WorkflowHistory[] = [{ workflowId, runId, events: own && untilThisStep(own) }];
    if (!histories[0]?.events)
      throw ApplicationFailure.retryable(`Temporal gave no history of ${workflowId}, run ${runId}`, 'Unavailable');
    for (const child of childWorkflowIds) histories.push({ workflowId: child, events: await readHistory(child) });
    await reconcile?.(caseId, histories);
    const contents = contentsOf(input, await custodyLog.read(caseId), histories);
    const copied = [
      { path: BUNDLE_FILES.verifier, object: { bucket: config.buckets.tools, ...config.verifier } },
      ...(outcome.report ? [{ path: BUNDLE_FILES.report, object: outcome.report }] : []),
      ...outcome.examinations.flatMap(({ exhibit, allFindings }) =>
        allFindings ? [{ path: `findings/${exhibit}.json`, object: allFindings }] : [],
      ),
    ];
    const written = await inTurn(
      [
        ...contents.files.map(({ path, content }) => ({ path, read: () => Promise.resolve(content) })),
        ...copied.map(({ path, object }) => ({ path, read: () => folder.recorded(object) })),
      ],
      async ({ path, read }) => {
        const content = await read();
        const { key, versionId } = await folder.put(path, content);
        return sealedFile(path, content, { bucket, key, versionId });
      },
    );
    return [...written, ...contents.evidence.map(namedFile)].sort((a, b) => (a.path < b.path ? -1 : 1));
  };

  return {
    async sealCase(input) {
      const { caseId, retentionDays } = input;
      const folder = new BundleFolder({ clients, store, bucket }, caseId, retentionDays);
      const putFirst = (path: string, text: string): Promise<Buffer> => folder.putFirst(path, Buffer.from(text));
      // The first list that is written is the bundle. An attempt that comes later, when log and histories have grown, goes on
      // from it instead of making another.
      const list =
        (await folder.find(BUNDLE_FILES.list)) ??
        (await putFirst(BUNDLE_FILES.list, linesOf(await writeContents(folder, input))));
      const files = recordsOf(list) as SealedFile[];
      const head = await sealedEnd(caseId, folder, files, custodyLog);
      const earlier = await folder.find(BUNDLE_FILES.seal);
      const text =
        earlier ??
        (await putFirst(
          BUNDLE_FILES.seal,
          `${JSON.stringify(sealOf(head, files, new Date().toISOString()), null, 2)}\n`,
        ));
      const seal = JSON.parse(text.toString()) as Seal;
      if (seal.custody.hash !== head.hash || seal.files.merkleRoot !== rootOfFiles(files))
        throw notOfThisCase(folder, BUNDLE_FILES.seal, 'it seals another list than the one that lies beside it');
      const key = new SealingKey(clients.forensics().kms, config.sealingKeyArn);
      const { pem, sha256: publicKeySha256 } = await key.publicKey();
      await putFirst(BUNDLE_FILES.publicKey, pem);
      const signature =
        (await folder.find(BUNDLE_FILES.signature)) ??
        (await putFirst(BUNDLE_FILES.signature, `${(await key.sign(canonicalBytes(seal))).toString('base64')}\n`));
      const signatureSha256 = digest(Buffer.from(signature.toString().trim(), 'base64'));
      const { key: sealKey, versionId } = await folder.put(BUNDLE_FILES.seal, text);
      noteAct({
        message:
          `the case was sealed up to entry ${seal.custody.sequence} of its custody log: ${files.length} files, signed by ` +
          `${config.sealingKeyArn}${earlier ? '; an earlier attempt had sealed it' : ''}`,
        sha256: digest(canonicalBytes(seal)),
        data: { merkleRoot: seal.files.merkleRoot, signatureSha256, publicKeySha256 },
      });
      return {
        seal,
        bundle: { bucket, prefix: bundlePrefix(caseId) },
        signatureSha256,
        publicKeySha256,
        sealObject: { bucket, key: sealKey, versionId },
      };
    },
  };
}

/** The case's history grows while it is sealed; each attempt keeps the same part of it, and so makes no other version. */
function untilThisStep(events: unknown[]): unknown[] {
  const activityId = currentActivity()?.info.activityId;
  const isThisStep = (event: unknown): boolean => {
    const { activityTaskScheduledEventAttributes: scheduled } = event as {
      activityTaskScheduledEventAttributes?: { activityId?: string } | null;
    };
    return scheduled?.activityId !== undefined && scheduled.activityId === activityId;
  };
  const end = events.findIndex(isThisStep);
  return end < 0 ? events : events.slice(0, end + 1);
}

/**
 * Where the log ended that the list names. It must be the beginning of the log as it stands now: nobody can have a bundle
 * sealed that he has put there himself.
 */
async function sealedEnd(
  caseId: string,
  folder: BundleFolder,
  files: readonly SealedFile[],
  custodyLog: Pick<CustodyLog, 'read'>,
): Promise<ChainHead> {
  const file = files.find(({ path }) => path === BUNDLE_FILES.custodyLog);
  if (!file?.object) throw notOfThisCase(folder, BUNDLE_FILES.list, `it does not name ${BUNDLE_FILES.custodyLog}`);
  const entries = recordsOf(await folder.recorded({ ...file.object, sha256: file.sha256 })) as CustodyEntry[];
  const last = entries.at(-1);
  const head = last ? headOf(last) : emptyChain(caseId);
  for (const [what, chain] of [
    [BUNDLE_FILES.custodyLog, entries],
    ['the custody log', await custodyLog.read(caseId)],
  ] as const) {
    const verdict = verifyChain(chain, caseId, head);
    if (!verdict.holds) throw notOfThisCase(folder, what, `line ${verdict.line}: ${verdict.problem}`);
  }
  return head;
}

const notOfThisCase = (folder: BundleFolder, what: string, problem: string): ApplicationFailure =>
  ApplicationFailure.nonRetryable(
    `case ${folder.caseId} cannot be sealed: ${what}: ${problem}. Nothing was signed; find out who else writes to the ` +
      'evidence bucket or the case table',
    'EvidenceMismatch',
  );

const recordsOf = (text: Buffer): unknown[] =>
  text
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);

/** Runs `work` on each item, a few at once; results in the order of the items. */
async function inTurn<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (let from = 0; from < items.length; from += WRITES_AT_ONCE)
    results.push(...(await Promise.all(items.slice(from, from + WRITES_AT_ONCE).map(work))));
  return results;
}
