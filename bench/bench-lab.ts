import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import {
  AttachNetworkInterfaceCommand,
  CreateNetworkInterfaceCommand,
  DescribeInstancesCommand,
} from '@aws-sdk/client-ec2';
import { Client, Connection } from '@temporalio/client';
import { parse, stringify } from 'yaml';
import type { IsolationTime } from '../domain/policy';
import { EmulatorClient } from '../lab/aws/emulator-client';
import { type LabConfig, labConfig } from '../lab/config';
import { type Lab, startLab } from '../lab/daemon';
import type { LabDeployment } from '../lab/seed/deployment';
import type { VolumeEncryption } from '../lab/seed/launch';
import { launchSuspect, type Suspect } from '../lab/seed/suspect';
import { streamProgress } from '../lab/setup/setup-progress';
import { deployLab, temporalSearchAttributes, waitForAgent } from '../lab/up';
import { startWorkerProcess, type WorkerProcess } from '../lab/worker-process';
import type { Durations } from './durations';
import { makeStandIns, type StandIns } from './stand-ins';

export const NETWORK_INTERFACES = 4;
/** An instance type that takes four network interfaces (EC2 User Guide, "IP addresses per network interface"). */
const INSTANCE_TYPE = 'm5.xlarge';

/** A lab of its own with the product's worker, and suspects whose tools are stand-ins. */
export interface BenchLab {
  client: Client;
  deployment: LabDeployment;
  emulator: EmulatorClient;
  /** When the agent of each instance registered, milliseconds since the epoch. */
  agentOnline: ReadonlyMap<string, number>;
  /** Starts the worker anew with another time for isolation. */
  isolateWhen(time: IsolationTime): Promise<void>;
  launch(encryptions: readonly VolumeEncryption[]): Promise<Suspect>;
  stop(): Promise<void>;
}

export async function startBenchLab(durations: Durations): Promise<BenchLab> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'forensics-bench-'));
  const standIns = await makeStandIns(folder, durations);
  const config: LabConfig = {
    cacheFolder: labConfig().cacheFolder,
    stateFolder: path.join(folder, 'state'),
    ports: { aws: await freePort(), ssm: await freePort(), temporal: await freePort(), temporalUi: await freePort() },
    durations,
  };
  const lab = await startLab(config, {
    searchAttributes: temporalSearchAttributes,
    fixtureMemory: standIns.memoryImage,
    forensicToolsFolder: standIns.forensicToolsFolder,
    progress: streamProgress(),
  });
  try {
    return await withWorker(folder, config, lab, standIns);
  } catch (error) {
    await lab.stop();
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function withWorker(folder: string, config: LabConfig, lab: Lab, standIns: StandIns): Promise<BenchLab> {
  const { stateFolder } = config;
  const status = lab.status();
  const { memoryImage: fixtureMemory, memoryTools } = standIns;
  const deployment = await deployLab(config, status, { kind: 'fixture', fixtureMemory, memoryTools });
  let worker: WorkerProcess = await startWorkerProcess(stateFolder, deployment.environment);
  const connection = await Connection.connect({ address: status.temporal });
  const agentOnline = new Map<string, number>();
  // In this very process: a look costs microseconds and no call.
  const watch = setInterval(() => {
    for (const agent of lab.agents())
      if (!agentOnline.has(agent.instanceId)) agentOnline.set(agent.instanceId, Date.now());
  }, 10);
  return {
    client: new Client({ connection }),
    deployment,
    emulator: new EmulatorClient(status.aws),
    agentOnline,
    async isolateWhen(time) {
      const settings = parse(await readFile(deployment.configFile, 'utf8')) as LabDeployment['config'];
      settings.policy.isolation = time;
      await writeFile(deployment.configFile, stringify(settings));
      await worker.kill();
      worker = await startWorkerProcess(stateFolder, deployment.environment, `worker-${time}`);
    },
    async launch(encryptions) {
      const suspect = await launchSuspect(deployment.member, {
        kind: 'fixture',
        volumes: encryptions.map((encryption) => ({ image: standIns.diskImage, encryption })),
        stateFolder,
        instanceType: INSTANCE_TYPE,
      });
      await addNetworkInterfaces(deployment, suspect.instanceId);
      await waitForAgent(deployment.member, suspect.instanceId, 60);
      return suspect;
    },
    async stop() {
      clearInterval(watch);
      await connection.close();
      await worker.kill();
      await lab.stop();
      if (process.env.BENCH_KEEP === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}

async function addNetworkInterfaces({ member }: LabDeployment, instanceId: string): Promise<void> {
  const found = await member.ec2.send(new DescribeInstancesCommand({ InstanceIds: [instanceId] }));
  const instance = found.Reservations?.[0]?.Instances?.[0];
  const groups = (instance?.SecurityGroups ?? []).flatMap((group) => group.GroupId ?? []);
  for (let index = 1; index < NETWORK_INTERFACES; index += 1) {
    const made = await member.ec2.send(
      new CreateNetworkInterfaceCommand({ SubnetId: instance?.SubnetId, Groups: groups }),
    );
    await member.ec2.send(
      new AttachNetworkInterfaceCommand({
        InstanceId: instanceId,
        NetworkInterfaceId: made.NetworkInterface?.NetworkInterfaceId,
        DeviceIndex: index,
      }),
    );
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}
