import { DynamoDBDocumentClient, paginateQuery } from '@aws-sdk/lib-dynamodb';
import { verifyChain } from '../../domain/custody/chain';
import type { CustodyEntry } from '../../domain/custody/entry';
import type { AccountClients } from '../../lab/seed/account-clients';

/** What is wrong with a case's custody log as it stands in the table; nothing when it holds and tells each thing once. */
export async function custodyProblems(
  { dynamodb }: AccountClients,
  TableName: string,
  caseId: string,
): Promise<string[]> {
  const client = DynamoDBDocumentClient.from(dynamodb);
  const items: Record<string, unknown>[] = [];
  const query = {
    TableName,
    KeyConditionExpression: 'PK = :case',
    ExpressionAttributeValues: { ':case': `CASE#${caseId}` },
    ConsistentRead: true,
  };
  for await (const page of paginateQuery({ client }, query)) items.push(...(page.Items ?? []));
  const entries = items.filter(({ entity }) => entity === 'event').map(entryOf);
  const end = items.find(({ entity }) => entity === 'custody-log');
  if (entries.length === 0 || !end) return ['the case has no custody log'];
  const problems: string[] = [];
  const verdict = verifyChain(entries, caseId, { caseId, sequence: Number(end.sequence), hash: String(end.hash) });
  if (!verdict.holds) problems.push(`the chain breaks at entry ${verdict.line}: ${verdict.problem}`);
  const ids = entries.map(({ entryId }) => entryId);
  const twice = ids.filter((id, index) => ids.indexOf(id) !== index);
  if (twice.length > 0) problems.push(`written twice: ${twice.join(', ')}`);
  const written = items.filter(({ entity }) => entity === 'written').length;
  if (written !== entries.length) problems.push(`${entries.length} entries, ${written} of them noted as written`);
  return problems;
}

function entryOf(item: Record<string, unknown>): CustodyEntry {
  const { PK: _PK, SK: _SK, entity: _entity, notificationFailure: _failure, ...entry } = item;
  return entry as Record<string, unknown> & CustodyEntry;
}
