import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DescribeInstanceInformationCommand } from '@aws-sdk/client-ssm';
import type { Policy } from '../domain/policy';
import { searchAttributes } from '../workflows/contract/search-attributes';
import { type LabConfig, PROJECT_ROOT } from './config';
import { labUp, type LabStatus } from './lab';
import type { AccountClients } from './seed/account-clients';
import { deploy, type LabDeployment } from './seed/deployment';
import { launchSuspect, type Suspect } from './seed/suspect';
import { plant, type PlantingReport } from './scenarios/plant';
import { loadScenario } from './scenarios/scenario';
import { runScript } from './seed/run-script';
import { type SetupProgress, silentProgress, streamProgress } from './setup/setup-progress';
import { type SuspectParts, suspectParts, suspectVolumes } from './suspect-kind';
import { startWorkerProcess } from './worker-process';

export interface SeededLab extends LabStatus {
  suspect?: Suspect;
  /** What was planted on a suspect that runs. */
  planted?: PlantingReport;
  /** Why the suspect is recorded evidence and not a machine, or what it lacks. */
  suspectNote?: string;
  /** Settings for the worker and the CLI, as a dotenv file. */
  environmentFile: string;
}

export interface SeededLabOptions {
  config: LabConfig;
  keepState?: boolean;
  /** Launch a suspect. */
  suspect: boolean;
  /** What is planted on it if it is a machine: a scenario by its name or file; default the intrusion. */
  scenario?: string;
  quiet: boolean;
  policy?: Policy;
  /** Where the settings are written; by default FORENSICS_ENV_FILE or forensics.env in the project. */
  environmentFile?: string;
}

/** Seconds that a suspect may take to boot and register; a guest boots under software emulation. */
const AGENT_SECONDS = 300;
const PLANTING_SECONDS = 300;

export const temporalSearchAttributes = Object.values(searchAttributes).map((key) => ({
  name: key.name,
  type: 'Keyword' as const,
}));

/** The lab as a newcomer wants it: started, both accounts set up, a worker running, a suspect waiting. */
export async function labUpWithSeed(options: SeededLabOptions): Promise<SeededLab> {
  const { config, quiet } = options;
  const progress = quiet ? silentProgress : streamProgress();
  const parts = await suspectParts(config.cacheFolder, progress);
  const summaryFile = path.join(config.stateFolder, 'seeded.json');
  const environmentFile =
    options.environmentFile ?? process.env.FORENSICS_ENV_FILE ?? path.join(PROJECT_ROOT, 'forensics.env');
  const status = await labUp({
    config,
    keepState: options.keepState ?? false,
    searchAttributes: temporalSearchAttributes,
    ...(parts.fixtureMemory !== undefined && { fixtureMemory: parts.fixtureMemory }),
    progress,
    seed: async ({ status }) => {
      const step = progress.begin('Lab: accounts, keys, buckets, documents, worker');
      const deployment = await deployLab(config, status, parts, options.policy);
      await writeEnvironmentFile(environmentFile, deployment.environment);
      await startWorkerProcess(config.stateFolder, deployment.environment);
      step.done();
      const suspect = options.suspect ? await startSuspect(config, deployment, parts, progress) : undefined;
      const planted =
        suspect?.kind === 'guest' ? await plantOn(suspect, deployment, options.scenario, progress) : undefined;
      await writeFile(
        summaryFile,
        JSON.stringify({
          environmentFile,
          ...(suspect && { suspect }),
          ...(planted && { planted }),
          ...(parts.note !== undefined && { suspectNote: parts.note }),
        }),
      );
    },
  });
  // A lab that was up already tells what it was seeded with then.
  const seeded = JSON.parse(await readFile(summaryFile, 'utf8')) as Omit<SeededLab, keyof LabStatus>;
  return { ...status, ...seeded };
}

export async function deployLab(
  config: LabConfig,
  status: LabStatus,
  parts: SuspectParts,
  policy?: Policy,
): Promise<LabDeployment> {
  return deploy({
    endpoints: { aws: status.aws, ssm: status.ssm },
    temporalAddress: status.temporal,
    stateFolder: config.stateFolder,
    memoryTools: parts.memoryTools,
    ...(policy && { policy }),
  });
}

async function startSuspect(
  config: LabConfig,
  deployment: LabDeployment,
  parts: SuspectParts,
  progress: SetupProgress,
): Promise<Suspect> {
  const step = progress.begin(
    parts.kind === 'guest'
      ? 'Suspect: a guest under QEMU boots from its root volume'
      : 'Suspect: recorded memory, disks with the planted intrusion',
    parts.kind === 'guest' ? 40 : undefined,
  );
  try {
    const suspect = await launchSuspect(deployment.member, {
      kind: parts.kind,
      volumes: await suspectVolumes(config.cacheFolder, parts.rootDisk),
      stateFolder: config.stateFolder,
    });
    await waitForAgent(deployment.member, suspect.instanceId);
    step.done(suspect.instanceId);
    return suspect;
  } catch (error) {
    step.failed();
    throw error;
  }
}

async function plantOn(
  { instanceId }: Suspect,
  { member }: LabDeployment,
  scenarioName = 'intrusion',
  progress: SetupProgress,
): Promise<PlantingReport> {
  const scenario = await loadScenario(scenarioName);
  const step = progress.begin(`Suspect: the traces of ${scenario.name} are planted on it`);
  try {
    const report = await plant(scenario, (script) => runScript(member, instanceId, script, PLANTING_SECONDS));
    step.done(`${report.traces.filter(({ outcome }) => outcome === 'planted').length} traces`);
    return report;
  } catch (error) {
    step.failed();
    throw error;
  }
}

/** @throws Error when the instance's agent is not online in time */
export async function waitForAgent(
  account: AccountClients,
  instanceId: string,
  seconds = AGENT_SECONDS,
): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = await account.ssm.send(
      new DescribeInstanceInformationCommand({ Filters: [{ Key: 'InstanceIds', Values: [instanceId] }] }),
    );
    if (found.InstanceInformationList?.[0]?.PingStatus === 'Online') return;
    if (Date.now() > deadline)
      throw new Error(
        `the agent of ${instanceId} was not online after ${seconds} s; see the logs in the lab's state folder`,
      );
    await sleep(200);
  }
}

async function writeEnvironmentFile(file: string, environment: Record<string, string>): Promise<void> {
  const lines = Object.entries(environment).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  await writeFile(file, `# Written by the lab; its credentials mean nothing outside of it.\n${lines.join('\n')}\n`, {
    mode: 0o600,
  });
}
