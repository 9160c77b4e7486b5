import {
  type AttributeValue,
  BatchGetItemCommand,
  CreateTableCommand,
  type CreateTableCommandInput,
  DeleteTableCommand,
  DescribeTableCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
  UpdateItemCommand,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import { documented } from './documented';
import { target } from './target';
import { outcome } from './waiting';

const definition = (TableName: string): CreateTableCommandInput => ({
  TableName,
  BillingMode: 'PAY_PER_REQUEST',
  AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
  KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
  Tags: target().resources.tags(),
});
const sortedDefinition = (TableName: string): CreateTableCommandInput => ({
  ...definition(TableName),
  AttributeDefinitions: ['pk', 'sk'].map((AttributeName) => ({ AttributeName, AttributeType: 'S' })),
  KeySchema: [
    { AttributeName: 'pk', KeyType: 'HASH' },
    { AttributeName: 'sk', KeyType: 'RANGE' },
  ],
});

let shared: Promise<string> | undefined;
/** One table for all tests; each takes keys of its own. */
const table = (): Promise<string> => (shared ??= makeTable(definition));
async function makeTable(define: (TableName: string) => CreateTableCommandInput): Promise<string> {
  const { forensics, resources } = target();
  const TableName = resources.name();
  await forensics.dynamodb.send(new CreateTableCommand(define(TableName)));
  resources.later(`table ${TableName}`, () => forensics.dynamodb.send(new DeleteTableCommand({ TableName })));
  await waitUntilTableExists({ client: forensics.dynamodb, maxWaitTime: 300, minDelay: 1 }, { TableName });
  return TableName;
}

const item = async (pk: string) => {
  const read = new GetItemCommand({ TableName: await table(), Key: { pk: { S: pk } }, ConsistentRead: true });
  return (await target().forensics.dynamodb.send(read)).Item;
};

describe('Amazon DynamoDB', () => {
  documented(
    'Amazon DynamoDB API Reference: CreateTable',
    'ResourceInUseException: you attempted to recreate an existing table',
    async () => {
      const TableName = await table();
      const again = new CreateTableCommand(definition(TableName));
      expect(await outcome(target().forensics.dynamodb.send(again))).toBe('ResourceInUseException');
    },
  );

  documented(
    'Amazon DynamoDB API Reference: DescribeTable',
    'returns the current status of the table; ResourceNotFoundException when there is none',
    async () => {
      const { forensics, resources } = target();
      const describe = (TableName: string) => forensics.dynamodb.send(new DescribeTableCommand({ TableName }));
      expect((await describe(await table())).Table!.TableStatus).toBe('ACTIVE');
      expect(await outcome(describe(resources.name()))).toBe('ResourceNotFoundException');
    },
  );

  documented(
    'Amazon DynamoDB API Reference: PutItem',
    'to prevent a new item from replacing an existing item, use a conditional expression with the attribute_not_exists function',
    async () => {
      const { forensics } = target();
      const TableName = await table();
      const put = (value: string) =>
        forensics.dynamodb.send(
          new PutItemCommand({
            TableName,
            Item: { pk: { S: 'put' }, value: { S: value } },
            ConditionExpression: 'attribute_not_exists(pk)',
          }),
        );
      await put('first');
      expect(await outcome(put('second'))).toBe('ConditionalCheckFailedException');
      expect((await item('put'))!.value).toEqual({ S: 'first' });
    },
  );

  documented(
    'Amazon DynamoDB API Reference: GetItem',
    'returns the attributes of the item with the given primary key; if there is no matching item, there will be no Item element in the response',
    async () => {
      const { forensics } = target();
      await forensics.dynamodb.send(
        new PutItemCommand({ TableName: await table(), Item: { pk: { S: 'get' }, value: { S: 'x' } } }),
      );
      expect(await item('get')).toEqual({ pk: { S: 'get' }, value: { S: 'x' } });
      expect(await item('none')).toBeUndefined();
    },
  );

  documented(
    'Amazon DynamoDB API Reference: BatchGetItem',
    'returns the attributes of the items that exist; a requested item that does not exist is not returned in the result',
    async () => {
      const { forensics } = target();
      const TableName = await table();
      const Item = { pk: { S: 'batch' } };
      await forensics.dynamodb.send(new PutItemCommand({ TableName, Item }));
      const { Responses } = await forensics.dynamodb.send(
        new BatchGetItemCommand({
          RequestItems: { [TableName]: { Keys: [Item, { pk: { S: 'batch-none' } }], ConsistentRead: true } },
        }),
      );
      expect(Responses![TableName]).toEqual([Item]);
    },
  );

  documented(
    'Amazon DynamoDB API Reference: Query',
    'all items with that partition key value are retrieved, narrowed by a condition on the sort key; results are always sorted by it',
    async () => {
      const { forensics } = target();
      const TableName = await makeTable(sortedDefinition);
      for (const sk of ['EVENT#2', 'HEAD', 'EVENT#1'])
        await forensics.dynamodb.send(new PutItemCommand({ TableName, Item: { pk: { S: 'case' }, sk: { S: sk } } }));
      const { Items } = await forensics.dynamodb.send(
        new QueryCommand({
          TableName,
          KeyConditionExpression: 'pk = :pk AND begins_with(sk, :prefix)',
          ExpressionAttributeValues: { ':pk': { S: 'case' }, ':prefix': { S: 'EVENT#' } },
          ConsistentRead: true,
        }),
      );
      expect(Items!.map(({ sk }) => sk!.S)).toEqual(['EVENT#1', 'EVENT#2']);
    },
  );

  documented(
    'Amazon DynamoDB API Reference: Scan',
    'returns every item; FilterExpression: applied after a Scan completes but before the results are returned; LastEvaluatedKey: where the next one goes on',
    async () => {
      const { forensics } = target();
      const TableName = await makeTable(sortedDefinition);
      for (const pk of ['a', 'b', 'c'])
        for (const sk of ['HEAD', 'EVENT#1'])
          await forensics.dynamodb.send(new PutItemCommand({ TableName, Item: { pk: { S: pk }, sk: { S: sk } } }));
      const found: string[] = [];
      let from: Record<string, AttributeValue> | undefined;
      let pages = 0;
      do {
        const page = await forensics.dynamodb.send(
          new ScanCommand({
            TableName,
            FilterExpression: 'sk = :head',
            ExpressionAttributeValues: { ':head': { S: 'HEAD' } },
            ConsistentRead: true,
            Limit: 4,
            ExclusiveStartKey: from,
          }),
        );
        found.push(...page.Items!.map(({ pk }) => pk!.S!));
        from = page.LastEvaluatedKey;
        pages += 1;
      } while (from);
      expect(found.sort()).toEqual(['a', 'b', 'c']);
      expect(pages).toBeGreaterThan(1);
    },
  );

  documented(
    'Amazon DynamoDB API Reference: UpdateItem',
    'edits an existing item’s attributes, or adds a new item to the table if it does not already exist; a condition that is not met fails it',
    async () => {
      const { forensics } = target();
      const TableName = await table();
      const update = (ConditionExpression?: string) =>
        forensics.dynamodb.send(
          new UpdateItemCommand({
            TableName,
            Key: { pk: { S: 'update' } },
            UpdateExpression: 'ADD seen :one',
            ExpressionAttributeValues: { ':one': { N: '1' } },
            ConditionExpression,
          }),
        );
      expect(await outcome(update('attribute_exists(pk)'))).toBe('ConditionalCheckFailedException');
      await update();
      await update('attribute_exists(pk)');
      expect(await item('update')).toEqual({ pk: { S: 'update' }, seen: { N: '2' } });
    },
  );

  documented(
    'Amazon DynamoDB API Reference: TransactWriteItems',
    'the actions are completed atomically so that either all of them succeed, or all of them fail; the reasons tell which condition was not met',
    async () => {
      const { forensics } = target();
      const TableName = await table();
      const put = (pk: string) => ({
        Put: { TableName, Item: { pk: { S: pk } }, ConditionExpression: 'attribute_not_exists(pk)' },
      });
      const write = (...TransactItems: ReturnType<typeof put>[]) =>
        forensics.dynamodb.send(new TransactWriteItemsCommand({ TransactItems }));
      await write(put('event-1'), put('head-1'));
      const failure: unknown = await write(put('event-2'), put('head-1')).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(TransactionCanceledException);
      const reasons = (failure as TransactionCanceledException).CancellationReasons!.map((reason) => reason.Code);
      expect(reasons).toEqual(['None', 'ConditionalCheckFailed']);
      expect(await item('event-2')).toBeUndefined();
    },
  );
});
