import type { Connection } from '@temporalio/client';
import { searchAttributes } from '../../../workflows/contract/search-attributes';

/** `INDEXED_VALUE_TYPE_KEYWORD` of Temporal's API; all of ours are keywords. */
const KEYWORD = 2;
const PATIENCE_MILLISECONDS = 60_000;

/** Waits until the server answers and knows every search attribute: a case that sets an unknown one would hang. */
export async function untilAttributesAreKnown(connection: Connection, namespace: string): Promise<void> {
  const names = Object.values(searchAttributes).map((key) => key.name);
  const deadline = Date.now() + PATIENCE_MILLISECONDS;
  for (;;) {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    if (names.every((name) => name in customAttributes)) return;
    if (Date.now() > deadline) throw new Error(`the Temporal server never knew all of ${names.join(', ')}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** For a server that was started without them. */
export async function addAttributes(connection: Connection, namespace: string): Promise<void> {
  const added = Object.fromEntries(Object.values(searchAttributes).map((key) => [key.name, KEYWORD]));
  await connection.operatorService.addSearchAttributes({ namespace, searchAttributes: added });
}
