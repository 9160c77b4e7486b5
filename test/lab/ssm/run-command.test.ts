import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Emulator } from '../../../lab/aws/emulator';
import { agentConformance } from './agent-conformance.suite';
import { agentProcess } from './agent-process.suite';
import { authorization } from './authorization.suite';
import { connections } from './connections.suite';
import { documentRules } from './documents.suite';
import { outputAndNotifications } from './output.suite';
import { serverRules } from './server.suite';
import { startTestEmulator } from './ssm-bench';
import { targetRules } from './targets.suite';

/** Run Command from the AWS SDK through the SSM server to agents, before one emulator. */
describe('Run Command', () => {
  let folder: string;
  let running: Emulator;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'lab-ssm-emulator-'));
    running = await startTestEmulator(folder);
  });

  afterAll(async () => {
    await running.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const emulator = (): Emulator => running;
  agentConformance(emulator);
  agentProcess(emulator);
  serverRules(emulator);
  targetRules(emulator);
  documentRules(emulator);
  outputAndNotifications(emulator);
  connections(emulator);
  // The last one: it turns IAM enforcement on, and the emulator keeps it.
  authorization(emulator);
});
