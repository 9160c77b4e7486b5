import { DescribeKeyCommand, type KeyMetadata } from '@aws-sdk/client-kms';
import type { KeyFacts } from '../../domain/instance-facts';
import type { AccountClients } from './clients';
import { awsStep } from './errors';
import { orElse, reasonOf } from './tolerance';

/**
 * Who controls each distinct key, and whether the forensics account may use it, by key ARN.
 *
 * That account asks for the key with its own credentials: KMS answers only if the key's policy or a grant names it. A key
 * policy that allows DescribeKey alone passes this test; its copy then ends in state `error`, which is reported.
 * A key that cannot be read is taken for a customer's that the forensics account may not use: the safe path.
 */
export async function readVolumeKeys(
  member: AccountClients,
  forensics: AccountClients,
  keyArns: string[],
  unreadable: string[],
): Promise<Map<string, KeyFacts>> {
  const distinct = [...new Set(keyArns)].sort();
  const facts = await Promise.all(distinct.map((keyArn) => readKey(member, forensics, keyArn, unreadable)));
  return new Map(facts.map((fact) => [fact.keyArn, fact]));
}

async function readKey(
  member: AccountClients,
  forensics: AccountClients,
  keyArn: string,
  unreadable: string[],
): Promise<KeyFacts> {
  const [metadata, usableByForensics] = await Promise.all([
    orElse(undefined, unreadable, () => describeKey(member, keyArn)),
    canDescribe(forensics, keyArn),
  ]);
  const manager = metadata?.KeyManager ?? 'CUSTOMER';
  return {
    keyArn,
    manager,
    enabled: metadata?.Enabled ?? true,
    // A default key's policy admits its own account only, whatever an answer says.
    usableByForensics: metadata !== undefined && manager === 'CUSTOMER' && usableByForensics,
  };
}

async function describeKey(account: AccountClients, keyArn: string): Promise<KeyMetadata | undefined> {
  const answer = await awsStep(`reading key ${keyArn} from account ${account.accountId}`, (options) =>
    account.kms.send(new DescribeKeyCommand({ KeyId: keyArn }), options),
  );
  return answer.KeyMetadata;
}

async function canDescribe(account: AccountClients, keyArn: string): Promise<boolean> {
  try {
    return (await describeKey(account, keyArn)) !== undefined;
  } catch (error) {
    reasonOf(error);
    return false;
  }
}
