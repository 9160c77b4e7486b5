import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import readline from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  AuthorizeSecurityGroupEgressCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  type EC2Client,
  type IpPermission,
  ModifyInstanceAttributeCommand,
  RegisterImageCommand,
  RevokeSecurityGroupEgressCommand,
  RunInstancesCommand,
} from '@aws-sdk/client-ec2';
import type { InstanceNetwork } from '../../../lab/network/instance-network';
import { type LabNetwork, startLabNetwork } from '../../../lab/network/lab-network';
import { networkCounters, type PacketCount } from '../../../lab/network/packet-counters';
import { insideNamespace } from '../../../lab/network/run-in-namespace';
import { type EmulatedAws, emulatorPython, startEmulatedAws } from '../aws/emulated-aws';

export const EVERYTHING: IpPermission = { IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] };

export const tcp = (port: number, ...ranges: string[]): IpPermission => ({
  IpProtocol: 'tcp',
  FromPort: port,
  ToPort: port,
  IpRanges: ranges.map((CidrIp) => ({ CidrIp })),
});

/** Until it holds, or for a minute: a loaded machine is slow, and no answer depends on how slow. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`not within a minute: ${what}`);
    await sleep(50);
  }
}

/** An emulator, a stand-in for the SSM server, and the network over them. */
export interface NetworkLab {
  aws: EmulatedAws;
  ec2: EC2Client;
  network: LabNetwork;
  stateFolder: string;
  vpcId: string;
  subnetId: string;
  imageId: string;
  stop(): Promise<void>;
}

export const VPC_RANGE = '10.30.0.0/16';

export async function networkLab(): Promise<NetworkLab> {
  const aws = await startEmulatedAws({ snapshotSeconds: 0, copySeconds: 0 });
  const { ec2 } = aws.member;
  const stateFolder = path.join(aws.dataFolder, 'network-state');
  await fs.mkdir(stateFolder, { recursive: true });
  const ssm = http.createServer((request, response) => response.end(`ssm got ${request.url ?? ''}\n`));
  await new Promise<void>((resolve) => ssm.listen(0, '127.0.0.1', resolve));
  const network = await startLabNetwork({
    awsUrl: aws.emulator.url,
    ssmUrl: `http://127.0.0.1:${(ssm.address() as AddressInfo).port}`,
    stateFolder,
    python: emulatorPython(),
  });
  const vpcId = (await ec2.send(new CreateVpcCommand({ CidrBlock: VPC_RANGE }))).Vpc!.VpcId!;
  const subnetId = await subnet(ec2, vpcId, '10.30.1.0/24');
  const { ImageId: imageId } = await ec2.send(
    new RegisterImageCommand({ Name: 'network-test', RootDeviceName: '/dev/xvda', Architecture: 'x86_64' }),
  );
  return {
    aws,
    ec2,
    network,
    stateFolder,
    vpcId,
    subnetId,
    imageId: imageId!,
    async stop() {
      await network.stop();
      await new Promise((resolve) => {
        ssm.close(resolve);
        ssm.closeAllConnections();
      });
      await aws.stop();
    },
  };
}

export async function subnet(ec2: EC2Client, VpcId: string, CidrBlock: string): Promise<string> {
  return (await ec2.send(new CreateSubnetCommand({ VpcId, CidrBlock, AvailabilityZone: 'us-east-1a' }))).Subnet!
    .SubnetId!;
}

let groups = 0;

/** A group with exactly these rules. */
export async function group(lab: NetworkLab, ingress: IpPermission[], egress: IpPermission[]): Promise<string> {
  groups += 1;
  const { GroupId } = await lab.ec2.send(
    new CreateSecurityGroupCommand({ VpcId: lab.vpcId, GroupName: `group-${groups}`, Description: 'test' }),
  );
  await lab.ec2.send(new RevokeSecurityGroupEgressCommand({ GroupId, IpPermissions: [EVERYTHING] }));
  if (ingress.length > 0)
    await lab.ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: ingress }));
  if (egress.length > 0)
    await lab.ec2.send(new AuthorizeSecurityGroupEgressCommand({ GroupId, IpPermissions: egress }));
  return GroupId!;
}

export async function setGroups(lab: NetworkLab, machine: Machine, ...Groups: string[]): Promise<void> {
  await lab.ec2.send(new ModifyInstanceAttributeCommand({ InstanceId: machine.instanceId, Groups }));
}

/** An instance whose inside is its network namespace: programs of this machine run in it. */
export interface Machine {
  instanceId: string;
  network: InstanceNetwork;
  address: string;
}

export async function machine(lab: NetworkLab, groupIds: string[], subnetId = lab.subnetId): Promise<Machine> {
  const { instanceId } = await launch(lab, groupIds, subnetId);
  const network = await lab.network.attach(instanceId, 'veth');
  return { instanceId, network, address: network.interfaces[0]!.address };
}

/** An instance that is not connected yet. */
export async function launch(
  lab: NetworkLab,
  groupIds: string[],
  subnetId: string,
): Promise<Pick<Machine, 'instanceId'>> {
  const { Instances } = await lab.ec2.send(
    new RunInstancesCommand({
      ImageId: lab.imageId,
      MinCount: 1,
      MaxCount: 1,
      SubnetId: subnetId,
      SecurityGroupIds: groupIds,
      TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'lab:kind', Value: 'sandbox' }] }],
    }),
  );
  return { instanceId: Instances![0]!.InstanceId! };
}

/** Says "listening", then answers every line of every connection with "<peer's address> <line>". */
const ECHO = `
import asyncio, sys
async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(writer.get_extra_info("peername")[0].encode() + b" " + line)
async def main():
    await asyncio.start_server(serve, "0.0.0.0", int(sys.argv[1]))
    print("listening", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
`;

/** Opens one TCP connection; each line of its input is sent, each line that comes is printed. */
const SESSION = `
import socket, sys, threading
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3]))
connection.settimeout(None)
print("connected", flush=True)
def received():
    for line in connection.makefile("r"):
        print(line, end="", flush=True)
threading.Thread(target=received, daemon=True).start()
for line in sys.stdin:
    connection.sendall(line.encode())
`;

/** A program in a namespace whose lines are read and written by the test. */
export class Program {
  readonly lines: string[] = [];
  private readonly child;
  private ended = false;

  constructor(namespace: string, source: string, ...args: string[]) {
    const [command, ...rest] = insideNamespace(namespace, emulatorPython(), '-c', source, ...args);
    this.child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'ignore'] });
    readline.createInterface({ input: this.child.stdout }).on('line', (line) => this.lines.push(line));
    this.child.stdin.on('error', () => undefined);
    this.child.once('exit', () => (this.ended = true));
  }

  async line(wanted: string): Promise<void> {
    await eventually(`the line "${wanted}"`, () => this.lines.includes(wanted));
  }

  /** Whether it has connected; false when it ended before. */
  async connected(): Promise<boolean> {
    const outcome = await eventually('a connection or its failure', () =>
      this.lines.includes('connected') ? 'yes' : this.ended ? 'no' : undefined,
    );
    return outcome === 'yes';
  }

  send(line: string): void {
    this.child.stdin.write(`${line}\n`);
  }

  end(): void {
    this.child.kill('SIGKILL');
  }
}

export async function echoServer(namespace: string, port: number): Promise<Program> {
  const server = new Program(namespace, ECHO, String(port));
  await server.line('listening');
  return server;
}

export function session(namespace: string, address: string, port: number, seconds = 60): Program {
  return new Program(namespace, SESSION, address, String(port), String(seconds));
}

/** Whether a new TCP connection comes about; one whose packets are dropped is given up after two seconds. */
export async function canConnect(namespace: string, address: string, port: number): Promise<boolean> {
  const attempt = session(namespace, address, port, 2);
  try {
    return await attempt.connected();
  } finally {
    attempt.end();
  }
}

/** Packets of an instance with one peer, by the counters of its security groups. */
export async function packets(
  lab: NetworkLab,
  machineOf: Machine,
  peer: string,
  direction: 'fromInstance' | 'toInstance',
  verdict: 'accepted' | 'refused',
): Promise<PacketCount> {
  const [primary] = await networkCounters(lab.stateFolder, machineOf.instanceId);
  const found = primary!.peers.find((one) => one.address === peer && one.protocol === 'tcp');
  return found?.[direction][verdict] ?? { packets: 0, bytes: 0 };
}
