import type { NativeConnection } from '@temporalio/worker';
import { searchAttributes } from '../workflows/contract/search-attributes';

/**
 * An unregistered search attribute fails every workflow task for ever, so a worker looks before it starts.
 * @throws Error with the commands that create what is missing
 */
export async function checkSearchAttributes(connection: NativeConnection, namespace: string): Promise<void> {
  const registered = await connection.operatorService.listSearchAttributes({ namespace });
  const names = new Set(Object.keys(registered.customAttributes));
  const missing = Object.values(searchAttributes).filter((key) => !names.has(key.name));
  if (missing.length === 0) return;
  const commands = missing.map(
    (key) => `temporal operator search-attribute create --namespace ${namespace} --name ${key.name} --type Keyword`,
  );
  throw new Error(
    `namespace ${namespace} lacks search attributes; create them and start again:\n  ${commands.join('\n  ')}`,
  );
}
