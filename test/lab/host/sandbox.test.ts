import { spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';

import {
  CreateTagsCommand,
  DetachVolumeCommand,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';

import type { LabConfig } from '../../../lab/config';
import { type Lab, startLab } from '../../../lab/daemon';
import { controlInstance } from '../../../lab/control';
import { instanceNetwork, networkCounters, runInInstanceNetwork } from '../../../lab/network/packet-counters';
import { canIsolate, canNetwork, dropConfig, eventually, privateConfig, remains, TestAccount } from './host-lab';

const START_LIMIT = 300_000;
/** What a document does to find its evidence volume, in both modes. */
const DEVICES = '${FORENSICS_DEVICE_DIR:-/dev/disk/by-id}';

function linkName(volumeId: string): string {
  return `nvme-Amazon_Elastic_Block_Store_${volumeId.replace('-', '')}`;
}

const modes = canIsolate ? (['namespaces', 'processes'] as const) : (['processes'] as const);

describe.each(modes)('instances as %s', (mode) => {
  let config: LabConfig;
  let lab: Lab;
  let account: TestAccount;

  beforeAll(async () => {
    config = await privateConfig();
    lab = await startLab(config, { instanceMode: mode, forensicTools: mode === 'namespaces' });
    account = new TestAccount(lab.status().aws, lab.status().ssm, config.stateFolder);
  }, START_LIMIT);

  afterAll(async () => {
    account.close();
    await lab.stop();
    expect(await remains(config.stateFolder)).toEqual([]);
    await dropConfig(config);
  });

  const stateOf = (instanceId: string) =>
    lab.status().instances.find((instance) => instance.instanceId === instanceId)?.state;

  /** Waits until the host shows the instance in a state; undefined: until it knows it no more. */
  const reaches = (instanceId: string, state: string | undefined) =>
    eventually(async () => {
      if (stateOf(instanceId) !== state) throw new Error(`${instanceId} is ${stateOf(instanceId)}, not ${state}`);
      return Promise.resolve();
    });

  test('a document runs, sees an attached volume, and no longer once it is detached', async () => {
    const instanceId = await account.launch({ 'lab:kind': 'sandbox' });
    const volumeId = await account.attachVolume(instanceId, 'EVIDENCE');
    const link = `${DEVICES}/${linkName(volumeId)}`;
    await eventually(async () => {
      const seen = await account.run(instanceId, `#!/bin/bash\nhead -c 8 "$(readlink -f "${link}")"`);
      expect(seen).toMatchObject({ Status: 'Success', StandardOutputContent: 'EVIDENCE' });
    });

    await account.ec2.send(new DetachVolumeCommand({ VolumeId: volumeId }));
    await eventually(async () => {
      const gone = await account.run(instanceId, `#!/bin/bash\n[[ ! -L "${link}" ]]`);
      expect(gone.Status).toBe('Success');
    });
    const image = path.join(config.stateFolder, 'ebs/volumes', `${volumeId}.img`);
    await eventually(() => {
      expect(spawnSync('losetup', ['--associated', image]).stdout.toString()).toBe('');
      return Promise.resolve();
    });
    await account.ec2.send(new TerminateInstancesCommand({ InstanceIds: [instanceId] }));
    await reaches(instanceId, undefined);
  });

  test('termination ends its processes, even those in a session of their own, and removes its files', async () => {
    const instanceId = await account.launch({ 'lab:kind': 'sandbox' });
    const script = '#!/bin/bash\nsetsid sleep 98761 >/dev/null 2>&1 </dev/null &\necho started';
    expect((await account.run(instanceId, script)).StandardOutputContent).toContain('started');
    expect(await processesLike('sleep\0' + '98761')).toHaveLength(1);

    await account.ec2.send(new TerminateInstancesCommand({ InstanceIds: [instanceId] }));
    await reaches(instanceId, undefined);
    await eventually(async () => {
      expect(await processesLike('sleep\0' + '98761')).toEqual([]);
      expect(await fs.readdir(path.join(config.stateFolder, 'instances'))).not.toContain(instanceId);
    });
  });

  test('an instance without an agent runs and takes no command; one of kind paper only exists in the API', async () => {
    const silent = await account.launch({ 'lab:kind': 'sandbox', 'lab:agent': 'none' });
    const paper = await account.launch({});
    await reaches(silent, 'running');
    await reaches(paper, 'paper');
    const information = await fetch(lab.status().ssm, {
      method: 'POST',
      headers: {
        'x-amz-target': 'AmazonSSM.DescribeInstanceInformation',
        'content-type': 'application/x-amz-json-1.1',
        authorization: 'AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/us-east-1/ssm/aws4_request, Signature=0',
      },
      body: '{}',
    });
    expect(await information.text()).not.toContain(silent);
  });

  test('an instance whose kind is tagged after its launch starts then', async () => {
    const instanceId = await account.launch({ Name: 'later' });
    await reaches(instanceId, 'paper');
    await account.ec2.send(
      new CreateTagsCommand({ Resources: [instanceId], Tags: [{ Key: 'lab:kind', Value: 'sandbox' }] }),
    );
    await reaches(instanceId, 'running');
  });

  test('a wrong agent tag is told in words', async () => {
    const instanceId = await account.launch({ 'lab:kind': 'sandbox', 'lab:agent': 'sometimes' });
    await reaches(instanceId, 'failed');
    const shown = lab.status().instances.find((instance) => instance.instanceId === instanceId);
    expect(shown?.problem).toContain(`tag lab:agent="sometimes" of ${instanceId} is none of "none", "late:SECONDS"`);
  });

  test('a late agent is late', async () => {
    const launched = Date.now();
    const instanceId = await account.launch({ 'lab:kind': 'sandbox', 'lab:agent': 'late:2.5' });
    await account.run(instanceId, 'true');
    expect(Date.now() - launched).toBeGreaterThan(2500);
  });

  if (mode === 'processes') {
    test('the reduced mode says what it does not enforce', () => {
      expect(lab.status().mode.notEnforced.join('\n')).toMatch(/isolation of instances.*\n.*read-only.*\n.*network/);
    });
    return;
  }

  test('an instance of the forensic image has the tools, also where their Python lies under a hidden home', async () => {
    const instanceId = await account.launch({ 'lab:kind': 'sandbox', 'lab:image': 'forensic' });
    const script = `#!/bin/bash
tools=/opt/forensic-tools/bin
"$tools/log2timeline" --version 2>&1 | tail -1
"$tools/forensic-symbols" --help | head -1
"$tools/vol" --help | head -1`;
    const { StandardOutputContent } = await account.run(instanceId, script);
    expect(StandardOutputContent).toMatch(/log2timeline version 2\d+\n.*usage: .*\n.*Volatility 3 Framework/i);
  });

  test('a read-only volume refuses writes to the device, and the image stays as it was', async () => {
    const instanceId = await account.launch({ 'lab:kind': 'sandbox', 'lab:volumes': 'read-only' });
    const volumeId = await account.attachVolume(instanceId, 'EVIDENCE');
    const script = `#!/bin/bash
device=$(readlink -f /dev/disk/by-id/${linkName(volumeId)})
[[ -b $device ]] && echo block
echo TAMPERED 2>/dev/null | dd of="$device" conv=notrunc,fsync 2>&1 && echo written || echo refused`;
    await eventually(async () => {
      const tried = await account.run(instanceId, script);
      expect(tried.StandardOutputContent).toMatch(/^block\n(.*\n)*refused\n$/);
    });
    const image = await fs.open(path.join(config.stateFolder, 'ebs/volumes', `${volumeId}.img`));
    const { buffer } = await image.read(Buffer.alloc(8), 0, 8, 0);
    await image.close();
    expect(buffer.toString()).toBe('EVIDENCE');
  });

  test('what an instance writes stays in its own disk, through stop and start', async () => {
    const instanceId = await account.launch({ 'lab:kind': 'sandbox' });
    const name = `lab-host-test-${instanceId}`;
    const write = `#!/bin/bash\necho written >/etc/${name}; hostname; id -u; pgrep -c . ; ls /root /home`;
    const written = await account.run(instanceId, write);
    const [host, user, processes] = written.StandardOutputContent!.split('\n');
    expect(host).toMatch(/^ip-/);
    expect(user).toBe('0');
    expect(Number(processes)).toBeLessThan(12);
    await expect(fs.access(`/etc/${name}`)).rejects.toThrow('ENOENT');

    await account.ec2.send(new StopInstancesCommand({ InstanceIds: [instanceId] }));
    await reaches(instanceId, 'stopped');
    await account.ec2.send(new StartInstancesCommand({ InstanceIds: [instanceId] }));
    await reaches(instanceId, 'running');
    expect((await account.run(instanceId, `cat /etc/${name}`)).StandardOutputContent).toBe('written\n');
  });

  test('a document as root changes neither the network of the machine nor its clock, and makes no device', async () => {
    const instanceId = await account.launch({ 'lab:kind': 'sandbox' });
    const script = `#!/bin/bash
mknod /tmp/disk b 7 0 2>&1 && echo made
ip link add lab-test type veth peer name lab-test-peer 2>&1
date -s '2001-01-01' 2>&1 >/dev/null && echo set
exit 0`;
    const tried = await account.run(instanceId, script);
    expect(tried.StandardOutputContent).not.toMatch(/^(made|set)$/m);
    expect(tried.StandardOutputContent).toMatch(/not permitted/i);
    expect(await fs.readdir('/sys/class/net')).not.toContain('lab-test');
  });

  test('the agent can be ended from outside, stays away, and comes back when asked', async () => {
    const instanceId = await account.launch({ 'lab:kind': 'sandbox' });
    await account.run(instanceId, 'true');
    const agents = () => processesLike(`${process.execPath}\0/usr/lib/lab-agent/agent.cjs\0`, instanceId);
    expect(await agents()).toHaveLength(1);
    await controlInstance(lab.status().control, instanceId, 'kill-agent');
    expect(await agents()).toEqual([]);
    await controlInstance(lab.status().control, instanceId, 'start-agent');
    expect((await account.run(instanceId, 'echo back')).StandardOutputContent).toBe('back\n');
    await expect(controlInstance(lab.status().control, 'i-unknown', 'kill-agent')).rejects.toThrow('no instance');
  });

  if (!canNetwork) {
    test('without nftables and iproute2 the lab says that no packet is stopped', () => {
      expect(lab.status().mode).toMatchObject({ network: false });
      expect(lab.status().mode.notEnforced.join('\n')).toMatch(/security groups.*no packet is stopped/);
    });
    return;
  }

  test('an instance has its own network: reaches the endpoints of its VPC, and this machine by nothing else', async () => {
    expect(lab.status().mode).toMatchObject({ network: true, notEnforced: [] });
    const instanceId = await account.launch({ 'lab:kind': 'sandbox' });
    const url = `${lab.status().aws}/moto-api/lab/faults`;
    const script = `#!/bin/bash
ip -brief address show dev eth0
cat /etc/resolv.conf
curl -q -sS --max-time 30 ${url}; echo
curl -q -sS --max-time 30 --noproxy '*' ${url} 2>&1`;
    const seen = (await account.run(instanceId, script)).StandardOutputContent;
    const network = await instanceNetwork(config.stateFolder, instanceId);
    const { address, prefixLength } = network!.interfaces[0]!;
    expect(seen).toContain(`${address}/${prefixLength}`);
    expect(seen).toContain(`nameserver ${network!.resolver}\n[]\n`);
    expect(seen).toMatch(/Failed to connect|Couldn't connect/);
    const [counters] = await networkCounters(config.stateFolder, instanceId);
    expect(counters!.toInstance.accepted.packets).toBeGreaterThan(0);
  });

  test('root inside cannot open what its security groups close', async () => {
    const instanceId = await account.launch({ 'lab:kind': 'sandbox' });
    const script = '#!/bin/bash\nnft flush ruleset && echo flushed; (sleep 600 >/dev/null 2>&1 &)';
    expect((await account.run(instanceId, script)).StandardOutputContent).toContain('flushed');
    const neighbour = await account.launch({ 'lab:kind': 'sandbox', 'lab:agent': 'none' });
    await reaches(neighbour, 'running');
    await account.closeGroups(instanceId);
    const { address } = (await instanceNetwork(config.stateFolder, instanceId))!.interfaces[0]!;
    const refused = async () => (await networkCounters(config.stateFolder, instanceId))[0]!.toInstance.refused.packets;
    await eventually(async () => {
      await runInInstanceNetwork(config.stateFolder, neighbour, 'bash', [
        '-c',
        `timeout 1 bash -c '</dev/tcp/${address}/22' || true`,
      ]);
      expect(await refused()).toBeGreaterThan(0);
    });
  });
});

/** Pids of processes whose command line begins so, and whose environment holds a text. */
async function processesLike(commandLine: string, environment = ''): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await fs.readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const command = await fs.readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (!command.startsWith(commandLine)) continue;
    const own = await fs.readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (own.includes(environment)) found.push(pid);
  }
  return found;
}
