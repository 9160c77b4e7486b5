import { spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  AttachVolumeCommand,
  CreateSecurityGroupCommand,
  CreateVolumeCommand,
  DescribeInstancesCommand,
  EC2Client,
  ModifyInstanceAttributeCommand,
  RegisterImageCommand,
  RunInstancesCommand,
} from '@aws-sdk/client-ec2';
import {
  CreateDocumentCommand,
  GetCommandInvocationCommand,
  type GetCommandInvocationCommandOutput,
  SendCommandCommand,
  SSMClient,
} from '@aws-sdk/client-ssm';

import { LAB_REGION, type LabConfig, labConfig } from '../../../lab/config';
import { loopDevicesOf } from '../../../lab/instances/loop-devices';
import { namespacesOf } from '../../../lab/network/namespaces';

const client = (endpoint: string) => ({
  endpoint,
  region: LAB_REGION,
  credentials: { accessKeyId: 'AKIATEST', secretAccessKey: 'test' },
  maxAttempts: 1,
});

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A lab's configuration of its own: free ports, a new state folder, the cache that all labs share. */
export async function privateConfig(): Promise<LabConfig> {
  const [aws, ssm, temporal, temporalUi] = [await freePort(), await freePort(), await freePort(), await freePort()];
  return {
    ports: { aws, ssm, temporal, temporalUi },
    cacheFolder: labConfig().cacheFolder,
    stateFolder: path.join(await fs.mkdtemp(path.join(os.tmpdir(), 'lab-host-test-')), 'state'),
    durations: { snapshotSeconds: 0, copySeconds: 0 },
  };
}

export async function dropConfig(config: LabConfig): Promise<void> {
  await fs.rm(path.dirname(config.stateFolder), { recursive: true, force: true });
}

/** Whether this machine lets its user make a mount namespace; where not, only the reduced mode can be tested. */
export const canIsolate = spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0;

/** Whether it also has what the lab's network needs. */
export const canNetwork =
  canIsolate && ['nft', 'ip'].every((tool) => spawnSync(tool, ['-V'], { stdio: 'ignore' }).status === 0);

/** The AWS side of a test: an account with one image. */
export class TestAccount {
  readonly ec2: EC2Client;
  readonly ssm: SSMClient;

  constructor(
    aws: string,
    ssm: string,
    private readonly stateFolder: string,
  ) {
    this.ec2 = new EC2Client(client(aws));
    this.ssm = new SSMClient(client(ssm));
  }

  close(): void {
    this.ec2.destroy();
    this.ssm.destroy();
  }

  async launch(tags: Record<string, string>): Promise<string> {
    const image = await this.ec2.send(
      new RegisterImageCommand({ Name: `image-${Math.random()}`, RootDeviceName: '/dev/xvda', Architecture: 'x86_64' }),
    );
    const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
    const run = await this.ec2.send(
      new RunInstancesCommand({
        ImageId: image.ImageId,
        InstanceType: 't3.micro',
        MinCount: 1,
        MaxCount: 1,
        Placement: { AvailabilityZone: `${LAB_REGION}a` },
        ...(Tags.length > 0 ? { TagSpecifications: [{ ResourceType: 'instance', Tags }] } : {}),
      }),
    );
    return run.Instances![0]!.InstanceId!;
  }

  /** A 1 GiB volume that begins with a text, attached. */
  async attachVolume(instanceId: string, text: string): Promise<string> {
    const { VolumeId } = await this.ec2.send(new CreateVolumeCommand({ AvailabilityZone: `${LAB_REGION}a`, Size: 1 }));
    await fs.writeFile(path.join(this.stateFolder, 'ebs/volumes', `${VolumeId}.img`), text);
    await this.ec2.send(new AttachVolumeCommand({ InstanceId: instanceId, VolumeId, Device: '/dev/sdf' }));
    return VolumeId!;
  }

  /** Gives an instance a security group that lets nothing in. */
  async closeGroups(instanceId: string): Promise<void> {
    const { Reservations } = await this.ec2.send(new DescribeInstancesCommand({ InstanceIds: [instanceId] }));
    const { GroupId } = await this.ec2.send(
      new CreateSecurityGroupCommand({
        VpcId: Reservations![0]!.Instances![0]!.VpcId,
        GroupName: `closed-${instanceId}`,
        Description: 'lets nothing in',
      }),
    );
    await this.ec2.send(new ModifyInstanceAttributeCommand({ InstanceId: instanceId, Groups: [GroupId!] }));
  }

  /** Runs a script on an instance through a document, once its agent is there; the answer when it ended. */
  async run(instanceId: string, script: string): Promise<GetCommandInvocationCommandOutput> {
    const name = `test-${Math.random().toString(36).slice(2)}`;
    const content = {
      schemaVersion: '2.2',
      mainSteps: [{ action: 'aws:runShellScript', name: 'run', inputs: { runCommand: script.split('\n') } }],
    };
    await this.ssm.send(
      new CreateDocumentCommand({ Name: name, DocumentType: 'Command', Content: JSON.stringify(content) }),
    );
    const send = new SendCommandCommand({ InstanceIds: [instanceId], DocumentName: name });
    const sent = await eventually(() => this.ssm.send(send));
    const query = new GetCommandInvocationCommand({ CommandId: sent.Command!.CommandId, InstanceId: instanceId });
    return eventually(async () => {
      const invocation = await this.ssm.send(query);
      if (/Pending|InProgress/.test(invocation.Status!)) throw new Error(`still ${invocation.Status}`);
      return invocation;
    });
  }
}

/** The first answer of `attempt` that is no rejection, within 30 s. */
export async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + 90_000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(100);
    }
  }
}

/** Everything of a state folder that outlives its lab: processes that name it, loop devices, mounts, networks. */
export async function remains(stateFolder: string): Promise<string[]> {
  const found = [...(await loopDevicesOf(stateFolder)), ...(await namespacesOf(stateFolder))];
  const mounts = await fs.readFile('/proc/self/mountinfo', 'utf8');
  found.push(...mounts.split('\n').filter((line) => line.includes(stateFolder)));
  for (const pid of await fs.readdir('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const command = await fs.readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    const environment = await fs.readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (command.includes(stateFolder) || environment.includes(stateFolder)) {
      found.push(`process ${pid}: ${command.replaceAll('\0', ' ')}`);
    }
  }
  return found;
}
