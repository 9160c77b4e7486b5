import { access, constants } from 'node:fs/promises';
import path from 'node:path';

import type { AgentPlan } from './agent-plan';

export interface RealAgentOptions {
  /** Folder of the four programs. */
  agentFolder: string;
  instanceId: string;
  region: string;
  availabilityZone: string;
  instanceType: string;
  /** URL of the SSM server as the instance reaches it. */
  ssmUrl: string;
}

/** Those that are the agent; the second polls for messages, and is started by the first. */
const AGENT_PROGRAMS = ['amazon-ssm-agent', 'ssm-agent-worker'];
const PROGRAMS = [...AGENT_PROGRAMS, 'ssm-document-worker', 'ssm-session-worker'];
/** Where the agent looks for its workers, and for its settings. */
const PROGRAM_FOLDER = '/usr/bin';
const inside = (program: string): string => path.posix.join(PROGRAM_FOLDER, program);
const SETTINGS_FILE = '/etc/amazon/ssm/amazon-ssm-agent.json';

/**
 * The folder that LAB_SSM_AGENT_DIR names; undefined when it names none.
 * @throws Error if one of the agent's programs is not there.
 */
export async function realAgentFolder(env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  const folder = env.LAB_SSM_AGENT_DIR;
  if (folder === undefined || folder === '') return undefined;
  for (const program of PROGRAMS) {
    await access(path.join(folder, program), constants.X_OK).catch(() => {
      throw new Error(`LAB_SSM_AGENT_DIR=${folder} has no program ${program}: give the folder of amazon-ssm-agent 3.3`);
    });
  }
  return path.resolve(folder);
}

/**
 * Settings for amazon-ssm-agent 3.3 (README of aws/amazon-ssm-agent, amazon-ssm-agent.json). The identity is given
 * (CustomIdentity), so that neither an activation nor the metadata service is asked. The agent always dials the newer
 * message gateway (Mgs) by wss, in vain, and stays with ec2messages (Mds). Output to S3 is not to be had with it: it
 * takes for S3 a host that resolves with the bucket's name before it.
 *
 * An earlier sketch of the lab ran amazon-ssm-agent 3.3.0.0 with such settings. This plan, and the sandbox that follows it,
 * were tried with a stand-in only: no package registry carries the agent.
 */
export function realAgentPlan(options: RealAgentOptions): AgentPlan {
  const { ssmUrl: Endpoint, region: Region, instanceId: InstanceID } = options;
  const settings = {
    Profile: { ShareCreds: false },
    Mds: { Endpoint, CommandWorkersLimit: 5, StopTimeoutMillis: 20_000, CommandRetryLimit: 15 },
    Ssm: { Endpoint, HealthFrequencyMinutes: 5 },
    Mgs: { Region, Endpoint },
    Kms: { Endpoint },
    Agent: {
      Region,
      SelfUpdate: false,
      TelemetryMetricsToCloudWatch: false,
      TelemetryMetricsToSSM: false,
      ForceFileIPC: true,
    },
    Identity: {
      ConsumptionOrder: ['CustomIdentity'],
      CustomIdentities: [
        {
          InstanceID,
          Region,
          AvailabilityZone: options.availabilityZone,
          InstanceType: options.instanceType,
          CredentialsProvider: 'DEFAULT',
        },
      ],
    },
    Os: { Lang: 'en-US', Version: '1' },
  };
  return {
    programs: PROGRAMS.map((program) => ({
      source: path.join(options.agentFolder, program),
      target: inside(program),
    })),
    folders: [path.posix.dirname(SETTINGS_FILE), '/var/lib/amazon/ssm', '/var/log/amazon/ssm'],
    files: [{ path: SETTINGS_FILE, content: `${JSON.stringify(settings, null, 2)}\n` }],
    command: [inside('amazon-ssm-agent')],
    environment: {
      // No secret: the lab's server tells agents apart by instance id, and the agent insists on some credentials.
      AWS_ACCESS_KEY_ID: 'AKIALABAGENT',
      AWS_SECRET_ACCESS_KEY: 'lab-agent',
      AWS_REGION: Region,
      // The proxy of the instance's network is for documents; Go's HTTP client would take it for the agent's calls too.
      no_proxy: new URL(Endpoint).hostname,
    },
    processes: AGENT_PROGRAMS.map(inside),
  };
}
