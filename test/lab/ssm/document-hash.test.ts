import { createHash } from 'node:crypto';
import { CommandFlow } from '../../../lab/ssm/command-flow';
import { AgentRegistry } from '../../../lab/ssm/agent-registry';
import { CommandStore } from '../../../lab/ssm/commands';
import { EmulatorLink, type StoredDocument } from '../../../lab/ssm/emulator-link';
import { MessageQueue } from '../../../lab/ssm/message-queue';
import { Notifications } from '../../../lab/ssm/notifications';
import { RequestBody } from '../../../lab/ssm/request';
import { type RunCommandParts, sendCommand } from '../../../lab/ssm/send-command';
import { oneStep } from './ssm-bench';

const CALLER = { accountId: '111122223333', region: 'us-east-1' };
const INSTANCE = 'i-0d0c0ha5h00000001';
const CONTENT = oneStep('true');
const SHA256 = createHash('sha256').update(JSON.stringify(CONTENT)).digest('hex');
const SHA1 = createHash('sha1').update(JSON.stringify(CONTENT)).digest('hex');

/** An emulator that has one document, and tells its hashes or does not. */
class OneDocument extends EmulatorLink {
  constructor(private readonly hashes: { sha256: string | undefined; sha1: string | undefined }) {
    super('http://127.0.0.1:9');
  }

  override document(): Promise<StoredDocument | undefined> {
    return Promise.resolve({ version: '1', content: CONTENT, ...this.hashes });
  }

  override instances(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
}

async function send(isKnown: boolean, given: Record<string, string>): Promise<string> {
  const emulator = new OneDocument(isKnown ? { sha256: SHA256, sha1: SHA1 } : { sha256: undefined, sha1: undefined });
  const agents = new AgentRegistry(emulator, Date.now, 60_000);
  agents.seen(INSTANCE, CALLER.accountId);
  const queue = new MessageQueue(Date.now);
  const flow = new CommandFlow(queue, new Notifications(() => Promise.resolve(), Date.now), Date.now);
  const commands = new CommandStore((command) => flow.advance(command));
  const parts: RunCommandParts = { emulator, agents, commands, flow, queue, clock: Date.now };
  const body = new RequestBody({ DocumentName: 'lab-hash', InstanceIds: [INSTANCE], ...given });
  return await sendCommand(parts, CALLER, body).then(
    () => 'accepted',
    (error: unknown) => (error as { code: string }).code,
  );
}

describe('DocumentHash of SendCommand', () => {
  test('the document’s own hash is accepted, in any case of letters', async () => {
    expect(await send(true, { DocumentHash: SHA256, DocumentHashType: 'Sha256' })).toBe('accepted');
    expect(await send(true, { DocumentHash: SHA256.toUpperCase() })).toBe('accepted');
    expect(await send(true, { DocumentHash: SHA1, DocumentHashType: 'Sha1' })).toBe('accepted');
  });

  test('another hash is refused', async () => {
    expect(await send(true, { DocumentHash: '0'.repeat(64), DocumentHashType: 'Sha256' })).toBe('InvalidDocument');
    expect(await send(true, { DocumentHash: SHA256, DocumentHashType: 'Sha1' })).toBe('InvalidDocument');
  });

  test('a hash that cannot be checked is never taken for right', async () => {
    expect(await send(false, { DocumentHash: SHA256, DocumentHashType: 'Sha256' })).toBe('InternalServerError');
    expect(await send(true, { DocumentHash: SHA256, DocumentHashType: 'Md5' })).toBe('ValidationException');
  });
});
