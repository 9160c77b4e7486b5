import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { realAgentFolder, realAgentPlan } from '../../../lab/agent/real-agent';

const PROGRAMS = ['amazon-ssm-agent', 'ssm-agent-worker', 'ssm-document-worker', 'ssm-session-worker'];

describe('an amazon-ssm-agent that the user has', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'real-agent-'));
  });

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  test('is not looked for without LAB_SSM_AGENT_DIR', async () => {
    expect(await realAgentFolder({})).toBeUndefined();
    expect(await realAgentFolder({ LAB_SSM_AGENT_DIR: '' })).toBeUndefined();
  });

  test('must have all its programs, and the missing one is named', async () => {
    for (const program of PROGRAMS.slice(0, 3)) {
      await writeFile(path.join(folder, program), '#!/bin/sh\n');
      await chmod(path.join(folder, program), 0o755);
    }
    await expect(realAgentFolder({ LAB_SSM_AGENT_DIR: folder })).rejects.toThrow('no program ssm-session-worker');
    await writeFile(path.join(folder, 'ssm-session-worker'), '#!/bin/sh\n');
    await expect(realAgentFolder({ LAB_SSM_AGENT_DIR: folder })).rejects.toThrow('no program ssm-session-worker');
    await chmod(path.join(folder, 'ssm-session-worker'), 0o755);
    expect(await realAgentFolder({ LAB_SSM_AGENT_DIR: folder })).toBe(folder);
  });

  test('is told its identity and the lab’s endpoint, and asks no other', () => {
    const plan = realAgentPlan({
      agentFolder: folder,
      instanceId: 'i-0123456789abcdef0',
      region: 'us-east-1',
      availabilityZone: 'us-east-1a',
      instanceType: 't3.micro',
      ssmUrl: 'http://10.0.0.2:443',
    });
    expect(plan.programs.map(({ target }) => target)).toEqual(PROGRAMS.map((program) => `/usr/bin/${program}`));
    expect(plan.command).toEqual(['/usr/bin/amazon-ssm-agent']);
    const [settings] = plan.files;
    expect(settings!.path).toBe('/etc/amazon/ssm/amazon-ssm-agent.json');
    expect(plan.folders).toContain(path.dirname(settings!.path));
    expect(JSON.parse(settings!.content)).toMatchObject({
      Mds: { Endpoint: 'http://10.0.0.2:443' },
      Ssm: { Endpoint: 'http://10.0.0.2:443' },
      Agent: { Region: 'us-east-1', SelfUpdate: false },
      Identity: {
        ConsumptionOrder: ['CustomIdentity'],
        CustomIdentities: [{ InstanceID: 'i-0123456789abcdef0', CredentialsProvider: 'DEFAULT' }],
      },
    });
    const endpoints = settings!.content.match(/https?:\/\/[^"]+/g) ?? [];
    expect(new Set(endpoints)).toEqual(new Set(['http://10.0.0.2:443']));
  });
});
