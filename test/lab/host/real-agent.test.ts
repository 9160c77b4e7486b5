import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import { controlInstance } from '../../../lab/control';
import { type Lab, startLab } from '../../../lab/daemon';
import type { LabConfig } from '../../../lab/config';
import { canIsolate, dropConfig, eventually, privateConfig, remains, TestAccount } from './host-lab';

const START_LIMIT = 300_000;

/**
 * The real amazon-ssm-agent was NOT run here: no package registry carries it. These stand-ins have the names of its programs
 * and start one another as they do. The first registers by what it reads in its settings, and stores what it finds about
 * its place: that is all that this test can show.
 */
const STAND_INS: Record<string, string> = {
  'amazon-ssm-agent': `#!/bin/bash
setting() { sed -n "s/^ *\\"$1\\": \\"\\([^\\"]*\\)\\".*/\\1/p" /etc/amazon/ssm/amazon-ssm-agent.json | head -1; }
{
  echo "instance $(setting InstanceID) of type $(setting InstanceType) in $(setting AvailabilityZone)"
  for program in amazon-ssm-agent ssm-agent-worker ssm-document-worker ssm-session-worker; do
    [[ -x /usr/bin/$program && ! -w /usr/bin/$program ]] && echo "read-only $program"
  done
  echo state >/var/lib/amazon/ssm/written && echo 'writable state'
} >/var/log/amazon/ssm/found
until curl -q -sS --fail --max-time 60 "$(setting Endpoint)/" \\
  -H 'content-type: application/x-amz-json-1.1' -H 'x-amz-target: AmazonSSM.UpdateInstanceInformation' \\
  -H "authorization: AWS4-HMAC-SHA256 Credential=$AWS_ACCESS_KEY_ID/20260101/$AWS_REGION/ssm/aws4_request, Signature=0" \\
  -d "{\\"InstanceId\\": \\"$(setting InstanceID)\\", \\"AgentVersion\\": \\"stand-in $$\\"}"
do sleep 1; done
/usr/bin/ssm-agent-worker &
wait
`,
  'ssm-agent-worker': '#!/bin/bash\n/usr/bin/ssm-document-worker &\nwait\n',
  'ssm-document-worker': '#!/bin/bash\nsleep 3600 &\nwait\n',
  'ssm-session-worker': '#!/bin/bash\n',
};

// Elsewhere instances are plain processes, which run the lab's own agent and say so.
const inSandboxes = canIsolate ? describe : describe.skip;

inSandboxes('a sandbox with LAB_SSM_AGENT_DIR (stand-ins; the real agent was not run)', () => {
  let config: LabConfig;
  let lab: Lab;
  let account: TestAccount;
  let programs: string;

  beforeAll(async () => {
    programs = await fs.mkdtemp(path.join(os.tmpdir(), 'lab-real-agent-'));
    for (const [name, script] of Object.entries(STAND_INS)) {
      await fs.writeFile(path.join(programs, name), script, { mode: 0o755 });
    }
    process.env.LAB_SSM_AGENT_DIR = programs;
    config = await privateConfig();
    lab = await startLab(config, { forensicTools: false });
    account = new TestAccount(lab.status().aws, lab.status().ssm, config.stateFolder);
  }, START_LIMIT);

  afterAll(async () => {
    delete process.env.LAB_SSM_AGENT_DIR;
    account.close();
    await lab.stop();
    expect(await remains(config.stateFolder)).toEqual([]);
    await dropConfig(config);
    await fs.rm(programs, { recursive: true });
  });

  const registered = (instanceId: string, except?: string): Promise<string> =>
    eventually(() => {
      const version = lab.agents().find((agent) => agent.instanceId === instanceId)?.agentVersion;
      return version === undefined || version === except
        ? Promise.reject(new Error(`registered: ${version}`))
        : Promise.resolve(version);
    });

  test('starts it, configured, in place of the lab’s agent; it can be ended and started again', async () => {
    const instanceId = await account.launch({ 'lab:kind': 'sandbox', 'lab:agent': 'slow:500' });
    const first = await registered(instanceId);
    expect(first).toMatch(/^stand-in \d+$/);
    const worker = await eventually(() => onlyProcess('/usr/bin/ssm-document-worker', instanceId));
    expect(await fs.readFile(`/proc/${worker}/root/var/log/amazon/ssm/found`, 'utf8')).toBe(
      `instance ${instanceId} of type t3.micro in us-east-1a
read-only amazon-ssm-agent
read-only ssm-agent-worker
read-only ssm-document-worker
read-only ssm-session-worker
writable state
`,
    );
    expect(await processesOf('/usr/lib/lab-agent/agent.cjs', instanceId)).toEqual([]);
    expect(lab.status().mode.notEnforced).toContain(
      `tag lab:agent=slow of ${instanceId}: an amazon-ssm-agent replies at once`,
    );

    await controlInstance(lab.status().control, instanceId, 'kill-agent');
    expect(await processesOf('/usr/bin/amazon-ssm-agent', instanceId)).toEqual([]);
    expect(await processesOf('/usr/bin/ssm-agent-worker', instanceId)).toEqual([]);
    expect(await processesOf('/usr/bin/ssm-document-worker', instanceId)).toContain(worker);
    await controlInstance(lab.status().control, instanceId, 'start-agent');
    expect(await registered(instanceId, first)).toMatch(/^stand-in \d+$/);
  });
});

/** Pids of an instance's processes that bash runs from this file. */
async function processesOf(program: string, instanceId: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await fs.readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const command = await fs.readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.split('\0')[1] !== program) continue;
    const environment = await fs.readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (environment.includes(instanceId)) found.push(pid);
  }
  return found;
}

async function onlyProcess(program: string, instanceId: string): Promise<string> {
  const [pid, ...more] = await processesOf(program, instanceId);
  if (pid === undefined || more.length > 0) throw new Error(`${more.length + Number(pid !== undefined)} of ${program}`);
  return pid;
}
