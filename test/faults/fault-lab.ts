import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { freePort } from '../../bench/bench-lab';
import { makeStandIns } from '../../bench/stand-ins';
import { EmulatorClient } from '../../lab/aws/emulator-client';
import { type LabConfig, labConfig } from '../../lab/config';
import { startLab } from '../../lab/daemon';
import { deploy, type LabDeployment } from '../../lab/seed/deployment';
import { launchSuspect, type Suspect } from '../../lab/seed/suspect';
import { temporalSearchAttributes, waitForAgent } from '../../lab/up';
import { caseRequestFrom } from '../../starters/intake';
import { startCase } from '../../starters/start-case';
import { ReplaceableWorker } from './replaceable-worker';

/** A lab whose worker can be killed, and two-volume suspects. Documents run for real; the tools in them are stand-ins. */
export interface FaultLab {
  client: Client;
  deployment: LabDeployment;
  emulator: EmulatorClient;
  worker: ReplaceableWorker;
  folder: string;
  launch(): Promise<Suspect>;
  openCase(suspect: Suspect): Promise<WorkflowHandle>;
  stop(): Promise<void>;
}

const AT_ONCE = { snapshotSeconds: 0, copySeconds: 0, memorySeconds: 0, examinationSeconds: 0 };

export async function startFaultLab(): Promise<FaultLab> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'forensics-faults-'));
  const standIns = await makeStandIns(folder, AT_ONCE);
  const config: LabConfig = {
    cacheFolder: labConfig().cacheFolder,
    stateFolder: path.join(folder, 'state'),
    ports: { aws: await freePort(), ssm: await freePort(), temporal: await freePort(), temporalUi: await freePort() },
    durations: AT_ONCE,
  };
  const endings: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (const end of endings.splice(0).reverse()) await end();
  };
  try {
    const lab = await startLab(config, {
      searchAttributes: temporalSearchAttributes,
      fixtureMemory: standIns.memoryImage,
      forensicToolsFolder: standIns.forensicToolsFolder,
    });
    endings.push(() => lab.stop());
    const status = lab.status();
    const deployment = await deploy({
      endpoints: { aws: status.aws, ssm: status.ssm },
      temporalAddress: status.temporal,
      stateFolder: config.stateFolder,
      memoryTools: standIns.memoryTools,
      polling: { minimumSeconds: 0.2, maximumSeconds: 1 },
    });
    const logs = path.join(folder, 'workers');
    await mkdir(logs);
    const worker = await ReplaceableWorker.start(logs, deployment.environment);
    endings.push(() => worker.stop());
    const connection = await Connection.connect({ address: status.temporal });
    // At the very last: a question that waits for its answer would fail outside of whoever asked.
    endings.unshift(() => connection.close());
    const client = new Client({ connection });
    return {
      client,
      deployment,
      emulator: new EmulatorClient(status.aws),
      worker,
      folder,
      async launch() {
        const suspect = await launchSuspect(deployment.member, {
          kind: 'fixture',
          // The second one's key cannot be shared: its snapshot is re-encrypted on the way.
          volumes: [
            { image: standIns.diskImage, encryption: 'none' },
            { image: standIns.diskImage, encryption: 'default-key' },
          ],
          stateFolder: config.stateFolder,
        });
        await waitForAgent(deployment.member, suspect.instanceId);
        return suspect;
      },
      async openCase(suspect) {
        const event = JSON.parse(await readFile(suspect.findingFile, 'utf8')) as unknown;
        const started = await startCase(client, caseRequestFrom(event, new Date().toISOString()));
        return client.workflow.getHandle(started.workflowId, started.runId);
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
