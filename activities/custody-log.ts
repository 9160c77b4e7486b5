import { TransactionCanceledException } from '@aws-sdk/client-dynamodb';
import { BatchGetCommand, GetCommand, paginateQuery, TransactWriteCommand } from '@aws-sdk/lib-dynamodb';
import { ApplicationFailure } from '@temporalio/common';
import { appendEntry, type ChainHead, emptyChain, headOf } from '../domain/custody/chain';
import type { CustodyDraft, CustodyEntry } from '../domain/custody/entry';
import type { AwsClients } from './aws/clients';
import { awsStep, type CallOptions } from './aws/errors';
import { EVENT_PREFIX, eventKeys, logEndKeys, writtenKeys } from './case-table';
import type { ForensicsConfig } from './config';

/** DynamoDB takes 100 items in one transaction; an entry is two of them, and the end of the log is one. */
const ENTRIES_AT_ONCE = 25;
/** Another worker writes to the same log: each such meeting costs one more try. */
const MEETINGS = 50;
/** Cases whose end of the log is remembered. */
const ENDS_KEPT = 1_000;

/**
 * The custody log of every case, as it stands in the case table. Any step of any workflow may append: an entry is written only if
 * nobody else has written one in its place (a conditional transaction), so the chain cannot fork; who comes second reads
 * the new end and goes on from there. An entry that was written before is not written again.
 */
export class CustodyLog {
  private readonly ends = new Map<string, ChainHead>();
  private readonly turns = new Map<string, Promise<unknown>>();

  constructor(private readonly parts: { config: Pick<ForensicsConfig, 'caseTable'>; clients: AwsClients }) {}

  /**
   * @returns the entries as they stand in the log, those too that an earlier attempt has written
   * @throws ApplicationFailure `CustodyForked` (final) when the log is shorter than it was, or another one
   */
  async append(caseId: string, drafts: readonly CustodyDraft[]): Promise<CustodyEntry[]> {
    // One after another within this process: they would only get into each other's way.
    const turn = (this.turns.get(caseId) ?? Promise.resolve())
      .catch(() => undefined)
      .then(() => this.appendAll(caseId, drafts));
    this.turns.set(caseId, turn);
    try {
      return await turn;
    } finally {
      if (this.turns.get(caseId) === turn) this.turns.delete(caseId);
    }
  }

  /** The whole log of a case, in order. */
  async read(caseId: string): Promise<CustodyEntry[]> {
    return awsStep(`reading the custody log of case ${caseId}`, async (options) => {
      const entries: CustodyEntry[] = [];
      const query = {
        TableName: this.parts.config.caseTable,
        KeyConditionExpression: 'PK = :case AND begins_with(SK, :event)',
        ExpressionAttributeValues: { ':case': eventKeys(caseId, 0).PK, ':event': EVENT_PREFIX },
        ConsistentRead: true,
      };
      for await (const page of paginateQuery({ client: this.dynamo }, query, options))
        entries.push(...(page.Items ?? []).map(entryOf));
      return entries;
    });
  }

  private async appendAll(caseId: string, drafts: readonly CustodyDraft[]): Promise<CustodyEntry[]> {
    const written: CustodyEntry[] = [];
    for (let from = 0; from < drafts.length; from += ENTRIES_AT_ONCE)
      written.push(...(await this.appendSome(caseId, drafts.slice(from, from + ENTRIES_AT_ONCE))));
    return written;
  }

  private async appendSome(caseId: string, drafts: readonly CustodyDraft[]): Promise<CustodyEntry[]> {
    const what = `writing ${drafts.length} entries to the custody log of case ${caseId}`;
    return awsStep(what, async (options) => {
      const there = new Map<string, CustodyEntry>();
      for (let meeting = 0; meeting < MEETINGS; meeting += 1) {
        const end = this.ends.get(caseId) ?? (await this.readEnd(caseId, options));
        const entries = chained(
          end,
          drafts.filter(({ entryId }) => !there.has(entryId)),
        );
        if (entries.length === 0 || (await this.wrote(end, entries, options))) {
          const all = new Map([...there, ...entries.map((entry) => [entry.entryId, entry] as const)]);
          return drafts.flatMap(({ entryId }) => all.get(entryId) ?? []);
        }
        await this.readEnd(caseId, options);
        for (const entry of await this.writtenBefore(caseId, drafts, options)) there.set(entry.entryId, entry);
      }
      throw ApplicationFailure.retryable(`${what}: other writers were always quicker`, 'Unavailable');
    });
  }

  /** False when an entry, or the place that it was to have, is taken. */
  private async wrote(end: ChainHead, entries: readonly CustodyEntry[], options: CallOptions): Promise<boolean> {
    const TableName = this.parts.config.caseTable;
    const next = entries.reduce((_, entry) => headOf(entry), end);
    const NOT_THERE = 'attribute_not_exists(PK)';
    const put = (Item: Record<string, unknown>) => ({ Put: { TableName, Item, ConditionExpression: NOT_THERE } });
    const logEnd = {
      Put: {
        TableName,
        Item: { ...logEndKeys(end.caseId), entity: 'custody-log', sequence: next.sequence, hash: next.hash },
        ...(end.sequence === 0
          ? { ConditionExpression: NOT_THERE }
          : {
              ConditionExpression: '#hash = :hash',
              ExpressionAttributeNames: { '#hash': 'hash' },
              ExpressionAttributeValues: { ':hash': end.hash },
            }),
      },
    };
    const items = entries.flatMap((entry) => [
      put({ ...eventKeys(entry.caseId, entry.sequence), entity: 'event', ...entry }),
      put({ ...writtenKeys(entry.caseId, entry.entryId), entity: 'written', sequence: entry.sequence }),
    ]);
    try {
      await this.dynamo.send(new TransactWriteCommand({ TransactItems: [logEnd, ...items] }), options);
    } catch (error) {
      if (isConditionFailure(error)) return false;
      throw error;
    }
    this.remember(next);
    return true;
  }

  /** The end of the log as the table has it; a log only grows. */
  private async readEnd(caseId: string, options: CallOptions): Promise<ChainHead> {
    const { Item: item } = await this.dynamo.send(
      new GetCommand({ TableName: this.parts.config.caseTable, Key: logEndKeys(caseId), ConsistentRead: true }),
      options,
    );
    const end = item ? { caseId, sequence: Number(item.sequence), hash: String(item.hash) } : emptyChain(caseId);
    const known = this.ends.get(caseId);
    if (known && (end.sequence < known.sequence || (end.sequence === known.sequence && end.hash !== known.hash))) {
      throw ApplicationFailure.nonRetryable(
        `the custody log of case ${caseId} ends at entry ${end.sequence} (${end.hash}), but entry ${known.sequence} ` +
          `(${known.hash}) was written: somebody else has changed the table. Nothing was written over it; find out who`,
        'CustodyForked',
      );
    }
    this.remember(end);
    return end;
  }

  private async writtenBefore(
    caseId: string,
    drafts: readonly CustodyDraft[],
    options: CallOptions,
  ): Promise<CustodyEntry[]> {
    const numbers = await this.readItems(
      drafts.map(({ entryId }) => writtenKeys(caseId, entryId)),
      options,
    );
    const entries = await this.readItems(
      numbers.map((item) => eventKeys(caseId, Number(item.sequence))),
      options,
    );
    return entries.map(entryOf);
  }

  private async readItems(
    Keys: { PK: string; SK: string }[],
    options: CallOptions,
  ): Promise<Record<string, unknown>[]> {
    const { caseTable } = this.parts.config;
    const found: Record<string, unknown>[] = [];
    let left: Record<string, unknown>[] = Keys;
    while (left.length > 0) {
      const { Responses, UnprocessedKeys } = await this.dynamo.send(
        new BatchGetCommand({ RequestItems: { [caseTable]: { Keys: left, ConsistentRead: true } } }),
        options,
      );
      found.push(...(Responses?.[caseTable] ?? []));
      left = UnprocessedKeys?.[caseTable]?.Keys ?? [];
    }
    return found;
  }

  private remember(end: ChainHead): void {
    this.ends.delete(end.caseId);
    this.ends.set(end.caseId, end);
    const oldest = this.ends.keys().next().value;
    if (this.ends.size > ENDS_KEPT && oldest !== undefined) this.ends.delete(oldest);
  }

  private get dynamo() {
    return this.parts.clients.forensics().dynamo;
  }
}

function chained(end: ChainHead, drafts: readonly CustodyDraft[]): CustodyEntry[] {
  let head = end;
  return drafts.map((draft) => {
    const entry = appendEntry(head, draft);
    head = headOf(entry);
    return entry;
  });
}

/** The entry without what only the table needs. */
function entryOf(item: Record<string, unknown>): CustodyEntry {
  const { PK: _PK, SK: _SK, entity: _entity, notificationFailure: _failure, ...entry } = item;
  // What the table holds is as `append` wrote it; whether it still is, the hashes tell.
  return entry as Record<string, unknown> & CustodyEntry;
}

/** Throws when the transaction was cancelled for anything else. */
function isConditionFailure(error: unknown): boolean {
  if (!(error instanceof TransactionCanceledException)) return false;
  const codes = (error.CancellationReasons ?? []).map(({ Code }) => Code ?? 'None');
  // A transaction of another writer that runs at this moment counts the same: look again.
  const passing = ['None', 'ConditionalCheckFailed', 'TransactionConflict'];
  const other = codes.find((code) => !passing.includes(code));
  if (other !== undefined || codes.length === 0) throw Object.assign(error, { code: other ?? error.name });
  return true;
}
