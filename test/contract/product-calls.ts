import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { operationPage, SERVICES } from './api-reference';

const PROJECT = path.resolve(__dirname, '../..');
/** All code that calls AWS outside the lab: a worker's, the CLI's, and the set-up of accounts. */
const PRODUCT_FOLDERS = ['activities', 'domain', 'infra', 'starters', 'workers', 'workflows'];
const DOCUMENT_CLIENT = '@aws-sdk/lib-dynamodb';
/** Commands of the document client whose operation has another name. */
const DOCUMENT_OPERATIONS: Record<string, string> = {
  BatchGet: 'BatchGetItem',
  Delete: 'DeleteItem',
  Get: 'GetItem',
  Put: 'PutItem',
  TransactGet: 'TransactGetItems',
  TransactWrite: 'TransactWriteItems',
  Update: 'UpdateItem',
};
/** A waiter is named after a state, not after the operation that it calls. */
const WAITERS: Record<string, string> = {
  waitUntilTableExists: 'DescribeTable',
  waitUntilSnapshotCompleted: 'DescribeSnapshots',
};

/** Pages of the operations that some sources call, each with the files that do. */
export type CallsByPage = Map<string, string[]>;

/** Every AWS call of the product: the commands it makes, the pages it walks, the waiters it runs. */
export function productCalls(): CallsByPage {
  const calls: CallsByPage = new Map();
  for (const folder of PRODUCT_FOLDERS) {
    for (const file of readdirSync(path.join(PROJECT, folder), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts')) continue;
      const name = path.join(folder, file);
      for (const page of callsOf(name, readFileSync(path.join(PROJECT, name), 'utf8'))) {
        calls.set(page, [...(calls.get(page) ?? []), name]);
      }
    }
  }
  return calls;
}

/**
 * The pages of the operations that one source file calls.
 *
 * @throws Error for an SDK package, waiter or name import of it that this suite does not know.
 */
export function callsOf(fileName: string, text: string): string[] {
  const source = ts.createSourceFile(fileName, text, ts.ScriptTarget.Latest, true);
  return source.statements.flatMap((statement) => {
    if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) return [];
    const sdkPackage = statement.moduleSpecifier.text;
    if (!/^@aws-sdk\/(client|lib)-/.test(sdkPackage)) return [];
    const clause = statement.importClause;
    if (!clause || clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return [];
    const bindings = clause.namedBindings;
    if (!bindings || !ts.isNamedImports(bindings)) {
      throw new Error(`${fileName} imports all of ${sdkPackage}: import names, so that its calls can be listed`);
    }
    return bindings.elements
      .filter((element) => !element.isTypeOnly)
      .flatMap((element) => {
        const operation = operationOf(sdkPackage, (element.propertyName ?? element.name).text);
        return operation === undefined ? [] : [operationPage(referenceOf(fileName, sdkPackage), operation)];
      });
  });
}

/** Names that are no call (clients, exceptions, enumerations) have no operation. */
function operationOf(sdkPackage: string, name: string): string | undefined {
  if (name.startsWith('waitUntil')) {
    const operation = WAITERS[name];
    if (operation === undefined) throw new Error(`${name}: say in test/contract/product-calls.ts what it calls`);
    return operation;
  }
  const operation = /^paginate(\w+)$/.exec(name)?.[1] ?? /^(\w+)Command$/.exec(name)?.[1];
  if (operation === undefined || sdkPackage !== DOCUMENT_CLIENT) return operation;
  return DOCUMENT_OPERATIONS[operation] ?? operation;
}

function referenceOf(fileName: string, sdkPackage: string): string {
  const wanted = sdkPackage === DOCUMENT_CLIENT ? '@aws-sdk/client-dynamodb' : sdkPackage;
  const service = SERVICES.find((one) => one.package === wanted);
  if (!service) throw new Error(`${fileName} uses ${sdkPackage}: add it to test/contract/api-reference.ts`);
  return service.reference;
}
