import { createHash } from 'node:crypto';
import { AgentRegistry } from '../../../lab/ssm/agent-registry';
import { CommandStore } from '../../../lab/ssm/commands';
import { EmulatorLink, type StoredDocument } from '../../../lab/ssm/emulator-link';
import { MessageQueue } from '../../../lab/ssm/message-queue';
import { RequestBody } from '../../../lab/ssm/request';
import { type RunCommandParts, sendCommand } from '../../../lab/ssm/send-command';
import { oneStep } from './ssm-bench';

const CALLER = { accountId: '111122223333', region: 'us-east-1' };
const INSTANCE = 'i-0d0c0ha5h00000001';
const CONTENT = oneStep('true');
const SHA256 = createHash('sha256').update(JSON.stringify(CONTENT)).digest('hex');

/** An emulator that has one document, and tells its hash or does not. */
class OneDocument extends EmulatorLink {
  constructor(private readonly sha256: string | undefined) {
    super('http://127.0.0.1:9');
  }

  override document(): Promise<StoredDocument | undefined> {
    return Promise.resolve({ version: '1', content: CONTENT, sha256: this.sha256 });
  }

  override instances(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
}

async function send(known: string | undefined, given: Record<string, string>): Promise<string> {
  const emulator = new OneDocument(known);
  const agents = new AgentRegistry(emulator, Date.now, 60_000);
  agents.seen(INSTANCE, CALLER.accountId);
  const parts: RunCommandParts = {
    emulator,
    agents,
    commands: new CommandStore(Date.now),
    queue: new MessageQueue(Date.now),
    clock: Date.now,
  };
  const body = new RequestBody({ DocumentName: 'lab-hash', InstanceIds: [INSTANCE], ...given });
  return await sendCommand(parts, CALLER, body).then(
    () => 'accepted',
    (error: unknown) => (error as { code: string }).code,
  );
}

describe('DocumentHash of SendCommand', () => {
  test('the document’s own hash is accepted, in any case of letters', async () => {
    expect(await send(SHA256, { DocumentHash: SHA256, DocumentHashType: 'Sha256' })).toBe('accepted');
    expect(await send(SHA256, { DocumentHash: SHA256.toUpperCase() })).toBe('accepted');
  });

  test('another hash is refused', async () => {
    expect(await send(SHA256, { DocumentHash: '0'.repeat(64), DocumentHashType: 'Sha256' })).toBe('InvalidDocument');
  });

  test('a hash that cannot be checked is never taken for right', async () => {
    expect(await send(undefined, { DocumentHash: SHA256, DocumentHashType: 'Sha256' })).toBe('InternalServerError');
    expect(await send(SHA256, { DocumentHash: SHA256, DocumentHashType: 'Sha1' })).toBe('ValidationException');
  });
});
