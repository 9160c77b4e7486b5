import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import type { Decision } from '../../domain/checkpoint';
import type { CaseOutcome } from '../../domain/outcome';
import type { Policy } from '../../domain/policy';
import { EmulatorClient } from '../../lab/aws/emulator-client';
import { type LabConfig, labConfig } from '../../lab/config';
import { type Lab, startLab } from '../../lab/daemon';
import { unpackFixture } from '../../lab/disks/fixtures';
import type { LabDeployment } from '../../lab/seed/deployment';
import type { LaunchSettings } from '../../lab/seed/launch';
import { launchSuspect, type Suspect } from '../../lab/seed/suspect';
import { type SuspectParts, suspectVolumes } from '../../lab/suspect-kind';
import { deployLab, temporalSearchAttributes, waitForAgent } from '../../lab/up';
import { startWorkerProcess, type WorkerProcess } from '../../lab/worker-process';
import { caseRequestFrom } from '../../starters/intake';
import { startCase } from '../../starters/start-case';
import { type CaseView, MESSAGES } from '../../workflows/contract/messages';

/** A whole lab with a worker, on ports and in a folder of its own. */
export interface TestLab {
  config: LabConfig;
  lab: Lab;
  deployment: LabDeployment;
  emulator: EmulatorClient;
  client: Client;
  worker: WorkerProcess;
  uiUrl: string;
  /** Kills the worker as a crash would, and starts another one. */
  replaceWorker(): Promise<void>;
  launch(settings?: Partial<LaunchSettings>): Promise<Suspect>;
  openCase(suspect: Suspect): Promise<WorkflowHandle>;
  stop(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

/** Suspects that give away the recorded memory image; their documents run for real. */
async function recordedParts(cacheFolder: string): Promise<SuspectParts & { fixtureMemory: string }> {
  const fixtureMemory = path.join(cacheFolder, 'fixtures', `memory-${process.pid}.lime`);
  await unpackFixture('memory-linux-6.1.lime', fixtureMemory);
  const file = path.join(__dirname, '../../lab/guest/fixture-memory-tool.sh');
  return { kind: 'fixture', fixtureMemory, memoryTools: [{ name: 'fixture-memory', version: '1', file }] };
}

/** @param machine parts of a guest; without them suspects give away recorded memory */
export async function startTestLab(policy?: Policy, machine?: SuspectParts): Promise<TestLab> {
  const { cacheFolder } = labConfig();
  const stateFolder = await mkdtemp(path.join(os.tmpdir(), 'forensics-e2e-'));
  const config: LabConfig = {
    cacheFolder,
    stateFolder,
    ports: { aws: await freePort(), ssm: await freePort(), temporal: await freePort(), temporalUi: await freePort() },
    durations: { snapshotSeconds: 1, copySeconds: 1 },
  };
  const parts = machine ?? (await recordedParts(cacheFolder));
  const { fixtureMemory } = parts;
  const lab = await startLab(config, {
    searchAttributes: temporalSearchAttributes,
    ...(fixtureMemory !== undefined && { fixtureMemory }),
  });
  const status = lab.status();
  const deployment = await deployLab(config, status, parts, policy);
  let worker = await startWorkerProcess(stateFolder, deployment.environment);
  const connection = await Connection.connect({ address: status.temporal });
  const client = new Client({ connection });
  const testLab: TestLab = {
    config,
    lab,
    deployment,
    emulator: new EmulatorClient(status.aws),
    client,
    get worker() {
      return worker;
    },
    uiUrl: status.temporalUi,
    async replaceWorker() {
      await worker.kill();
      worker = await startWorkerProcess(stateFolder, deployment.environment, `worker-${Date.now()}`);
    },
    async launch(settings = {}) {
      const suspect = await launchSuspect(deployment.member, {
        kind: parts.kind,
        volumes: await suspectVolumes(cacheFolder, parts.rootDisk),
        stateFolder,
        ...settings,
      });
      if (settings.tags?.['lab:agent'] === undefined && suspect.kind !== 'paper')
        await waitForAgent(deployment.member, suspect.instanceId);
      return suspect;
    },
    async openCase(suspect) {
      const event = JSON.parse(await readFile(suspect.findingFile, 'utf8')) as unknown;
      const started = await startCase(client, caseRequestFrom(event, new Date().toISOString()));
      return client.workflow.getHandle(started.workflowId, started.runId);
    },
    async stop() {
      await connection.close();
      await worker.kill();
      await lab.stop();
      if (process.env.KEEP_TEST_LOGS)
        await cp(path.join(stateFolder, 'logs'), process.env.KEEP_TEST_LOGS, { recursive: true });
      await rm(stateFolder, { recursive: true, force: true });
      if (fixtureMemory !== undefined) await rm(fixtureMemory, { force: true });
      await rm(`${fixtureMemory}.system`, { recursive: true, force: true });
    },
  };
  return testLab;
}

export const view = (handle: WorkflowHandle): Promise<CaseView> => handle.query<CaseView>(MESSAGES.caseStatus);

/** Looks until the case shows what is waited for; fails with what it showed last. */
export async function until(
  handle: WorkflowHandle,
  what: string,
  holds: (view: CaseView) => boolean,
  seconds = 120,
): Promise<CaseView> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const now = await view(handle);
    if (holds(now)) return now;
    if (Date.now() > deadline)
      throw new Error(`${what} was not so after ${seconds} s; the case: ${JSON.stringify(now, null, 1)}`);
    await sleep(250);
  }
}

export async function decide(handle: WorkflowHandle, decision: Partial<Decision> = {}): Promise<void> {
  await handle.executeUpdate(MESSAGES.decide, {
    args: [{ checkpoint: 'isolation', verdict: 'approve', approver: 'ann', reason: 'test', ...decision }],
  });
}

export async function outcomeOf(handle: WorkflowHandle, seconds = 240): Promise<CaseOutcome> {
  const late = sleep(seconds * 1000, undefined, { ref: false }).then(async () => {
    throw new Error(`the case was not closed after ${seconds} s: ${JSON.stringify(await view(handle), null, 1)}`);
  });
  return Promise.race([handle.result() as Promise<CaseOutcome>, late]);
}

/** Everything that the workers said, as one text. (The emulator's own log shows URLs, as AWS's access logs would.) */
export async function workerLogs(stateFolder: string): Promise<string> {
  const folder = path.join(stateFolder, 'logs');
  const files = (await readdir(folder)).filter((file) => file.startsWith('worker'));
  return (await Promise.all(files.map((file) => readFile(path.join(folder, file), 'utf8')))).join('\n');
}
