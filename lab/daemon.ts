import fs from 'node:fs/promises';
import path from 'node:path';

import { bundleAgent } from './agent/bundle';
import { realAgentFolder } from './agent/real-agent';
import { startEmulator } from './aws/emulator';
import { LAB_ACCOUNTS, type LabConfig } from './config';
import { startControlServer } from './control';
import { type InstanceHost, startInstanceHost } from './instances/instance-host';
import { findIsolation } from './instances/isolation-mode';
import { forgetProcess, recordProcess } from './instances/process-ledger';
import { instanceRunners } from './instances/runner-registry';
import type { SandboxOptions } from './instances/sandbox-runner';
import { type DaemonAnswer, type DaemonOrder, labParts, type LabOptions, type LabStatus } from './lab';
import { type LabNetwork, startLabNetwork } from './network/lab-network';
import { startPaperAgents } from './paper/paper-agents';
import { checkPorts } from './setup/ports';
import { ensurePython, pythonHome } from './setup/python-environments';
import { ensureAll, type SetupResult } from './setup/setup';
import type { SetupProgress } from './setup/setup-progress';
import { claimState, prepareState, releaseState, writeStatus } from './setup/state-folder';
import { type AgentView, startSsmServer } from './ssm/server';
import { startTemporal } from './temporal/temporal-server';

/** A lab that lives in this process (its servers that are no TypeScript are children). */
export interface Lab {
  status(): LabStatus;
  /** The SSM agents that have registered and whose instances are not gone. */
  agents(): AgentView[];
  /** Ends everything: no process, mount or loop device is left. Files stay. */
  stop(): Promise<void>;
}

/** Starts a lab in this process. On failure everything that had been started is ended again. */
export async function startLab(
  config: LabConfig,
  options: LabOptions & { progress?: SetupProgress } = {},
): Promise<Lab> {
  await prepareState(config.stateFolder, options.keepState ?? false);
  await checkPorts(config);
  const tools = await ensureAll(labParts(config, options), {
    cacheFolder: config.cacheFolder,
    ...(options.progress ? { progress: options.progress } : {}),
  });
  return runLab(config, options, tools);
}

/** The lab itself, once its state folder is prepared and its tools are there. */
async function runLab(config: LabConfig, options: LabOptions, tools: SetupResult): Promise<Lab> {
  await claimState(config.stateFolder);
  const endings: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    // Last started, first ended: instances before the servers that they talk to.
    for (const end of endings.splice(0).reverse()) await end();
    await releaseState(config.stateFolder);
  };
  try {
    return { ...(await startParts(config, options, tools, endings)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startParts(
  config: LabConfig,
  options: LabOptions,
  tools: SetupResult,
  endings: (() => Promise<void>)[],
): Promise<Pick<Lab, 'status' | 'agents'>> {
  const { stateFolder, cacheFolder, ports } = config;
  const logFile = (name: string): string => path.join(stateFolder, 'logs', `${name}.log`);
  const log = (message: string): void => {
    void fs.appendFile(logFile('lab'), `${new Date().toISOString()} ${message}\n`);
  };
  const child = async (what: string, pid: number, end: () => Promise<void>): Promise<void> => {
    await recordProcess(stateFolder, pid, what);
    endings.push(async () => {
      await end();
      await forgetProcess(stateFolder, pid);
    });
  };
  const startAws = async (): Promise<string> => {
    const emulator = await startEmulator({
      python: required(tools.aws?.python),
      port: ports.aws,
      dataFolder: path.join(stateFolder, 'ebs'),
      durations: config.durations,
      logFile: logFile('aws'),
    });
    await child('AWS emulator', emulator.pid, () => emulator.stop());
    return emulator.url;
  };
  const startWorkflowServer = async (): Promise<{ address: string; uiUrl: string }> => {
    if (config.temporal) return config.temporal;
    const temporal = await startTemporal({
      cli: required(tools.temporalCli),
      port: ports.temporal,
      uiPort: ports.temporalUi,
      stateFolder,
      keepState: options.keepState ?? false,
      searchAttributes: options.searchAttributes ?? [],
      logFile: logFile('temporal'),
    });
    await child('Temporal server', temporal.pid, () => temporal.stop());
    return temporal;
  };
  // All of them settle before a failure is passed on, so that each that did start is known and ended.
  const [aws, temporal, agentFile, isolation, sandbox] = await allOrNone([
    startAws(),
    startWorkflowServer(),
    bundleAgent(path.join(stateFolder, 'agent.cjs')),
    findIsolation(options.instanceMode),
    sandboxOptions(config, options, tools),
  ]);
  const ssm = await startSsmServer({ port: ports.ssm, awsUrl: aws, log });
  endings.push(() => ssm.stop());
  const paper = await startPaperAgents({ awsUrl: aws, server: ssm.inProcess, log });
  endings.push(() => paper.stop());

  let network: LabNetwork | undefined;
  if (isolation.network) {
    const python = required(tools.aws?.python);
    network = await startLabNetwork({ awsUrl: aws, ssmUrl: ssm.url, stateFolder, python, log });
    endings.push(network.stop.bind(network));
  }

  let host: InstanceHost | undefined = undefined;
  const runningHost = (): InstanceHost => {
    if (!host) throw new Error('the lab is still starting');
    return host;
  };
  const control = await startControlServer({
    killAgent: (instanceId) => runningHost().killAgent(instanceId),
    startAgent: (instanceId) => runningHost().startAgent(instanceId),
  });
  endings.push(() => control.stop());

  const status = (current: InstanceHost | undefined): LabStatus => {
    const instances = current?.instances() ?? [];
    const notEnforced = [
      ...isolation.notEnforced,
      ...(network?.problems() ?? []),
      ...instances.flatMap((instance) => instance.notEnforced),
    ];
    return {
      aws,
      ssm: ssm.url,
      temporal: temporal.address,
      temporalUi: temporal.uiUrl,
      accounts: LAB_ACCOUNTS,
      stateFolder,
      control: control.url,
      pid: process.pid,
      mode: { instances: isolation.mode, network: isolation.network, notEnforced: [...new Set(notEnforced)] },
      instances,
    };
  };
  let writing = Promise.resolve();
  const publish = (): void => {
    writing = writing.then(() => writeStatus(stateFolder, status(host))).catch((error: unknown) => log(String(error)));
  };
  const startedHost = startInstanceHost({
    awsUrl: aws,
    ssmUrl: ssm.url,
    stateFolder,
    cacheFolder,
    agentFile,
    runners: instanceRunners(isolation.mode, cacheFolder, sandbox),
    ...(network ? { networks: network } : {}),
    log,
    onChange: publish,
    onTerminated: (instanceId) => ssm.forget(instanceId),
  });
  host = startedHost;
  endings.push(async () => {
    await startedHost.stop();
    await writing;
  });
  publish();
  await writing;
  return { status: () => status(startedHost), agents: () => ssm.agents() };
}

/** Like Promise.all, but waits for every promise before it rejects with the first reason. */
async function allOrNone<T extends readonly unknown[]>(promises: {
  [K in keyof T]: Promise<T[K]>;
}): Promise<T> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}

function required(value: string | undefined): string {
  if (value === undefined) throw new Error('a part of the lab was not set up');
  return value;
}

/** What sandboxes are given from this machine: tools, and the folders where those tools' Python lives. */
async function sandboxOptions(config: LabConfig, options: LabOptions, tools: SetupResult): Promise<SandboxOptions> {
  const result: SandboxOptions = {};
  const realAgent = await realAgentFolder();
  if (realAgent !== undefined) result.realAgentFolder = realAgent;
  if (options.fixtureMemory !== undefined) result.fixtureMemory = path.resolve(options.fixtureMemory);
  if (options.forensicToolsFolder !== undefined) result.forensicTools = path.resolve(options.forensicToolsFolder);
  if (tools.forensicTools !== undefined) {
    const python = await ensurePython('forensics', { cacheFolder: config.cacheFolder });
    result.forensicTools = tools.forensicTools;
    result.visible = [path.dirname(python.bin), await pythonHome(python)];
    result.programs = [python.python];
  }
  return result;
}

/**
 * The detached process of `labUp`, which has prepared the state folder and set up the tools: takes one order, answers once,
 * lives until SIGTERM.
 */
async function serve({ config, options }: DaemonOrder): Promise<void> {
  const answer = (message: DaemonAnswer): void => void process.send?.(message);
  try {
    const tools = await ensureAll(labParts(config, options), { cacheFolder: config.cacheFolder });
    const lab = await runLab(config, options, tools);
    const end = (): void => {
      lab.stop().then(
        () => process.exit(0),
        (error: unknown) => {
          console.error(error);
          process.exit(1);
        },
      );
    };
    process.once('SIGTERM', end);
    process.once('SIGINT', end);
    answer({ status: lab.status() });
  } catch (error) {
    console.error(error);
    answer({ error: error instanceof Error ? error.message : String(error) });
    process.exitCode = 1;
    if (process.connected) process.disconnect();
  }
}

if (require.main === module) {
  process.once('message', (order) => void serve(order as DaemonOrder));
}
