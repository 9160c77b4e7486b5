/** States of instances, volumes and attachments on their way. The lab is told to hold them there: no clock decides. */
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import {
  AttachVolumeCommand,
  type AttachVolumeCommandInput,
  CreateSnapshotCommand,
  CreateSnapshotsCommand,
  CreateVolumeCommand,
  DescribeInstancesCommand,
  DescribeInstanceStatusCommand,
  DescribeVolumesCommand,
  DescribeVolumeStatusCommand,
  DetachVolumeCommand,
  GetConsoleOutputCommand,
  type Instance,
  RegisterImageCommand,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
  type Volume,
} from '@aws-sdk/client-ec2';
import { type AccountClients, type EmulatedAws, eventually, refusal, sharedEmulatedAws } from './emulated-aws';

const ZONE = 'us-east-1a';
let aws: EmulatedAws;
let member: AccountClients;
let imageId: string;

beforeAll(async () => {
  aws = await sharedEmulatedAws();
  ({ member } = aws);
  const image = await member.ec2.send(
    new RegisterImageCommand({
      Name: 'for states',
      RootDeviceName: '/dev/xvda',
      BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 1 } }],
    }),
  );
  imageId = image.ImageId!;
});

const one = { MinCount: 1, MaxCount: 1 };

async function run(options: Partial<RunInstancesCommandInput> = {}): Promise<Instance[]> {
  const placement = { Placement: { AvailabilityZone: ZONE } };
  const command = new RunInstancesCommand({
    ImageId: imageId,
    InstanceType: 't3.small',
    ...one,
    ...placement,
    ...options,
  });
  return (await member.ec2.send(command)).Instances!;
}

async function instance(id: string): Promise<Instance> {
  const { Reservations } = await member.ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
  return Reservations![0]!.Instances![0]!;
}

const reaches = (id: string, state: string) =>
  eventually(
    async () => (await instance(id)).State!.Name,
    (name) => name === state,
  );

async function volume(id: string): Promise<Volume> {
  return (await member.ec2.send(new DescribeVolumesCommand({ VolumeIds: [id] }))).Volumes![0]!;
}

async function newVolume(): Promise<string> {
  return (await member.ec2.send(new CreateVolumeCommand({ AvailabilityZone: ZONE, Size: 1 }))).VolumeId!;
}

const attach = (InstanceId: string, VolumeId: string, Device: AttachVolumeCommandInput['Device'] = '/dev/sdf') =>
  member.ec2.send(new AttachVolumeCommand({ InstanceId, VolumeId, Device }));
const detach = (VolumeId: string, Force?: boolean) => member.ec2.send(new DetachVolumeCommand({ VolumeId, Force }));

describe('instance lifecycle', () => {
  it('"When you launch an instance, it enters the pending state"; a pending one can neither be stopped nor be attached to', async () => {
    await aws.lab.hold('instances');
    const [launched] = await run();
    const ids = { InstanceIds: [launched!.InstanceId!] };
    expect(launched!.State).toEqual({ Name: 'pending', Code: 0 });
    expect(await refusal(member.ec2.send(new StopInstancesCommand(ids)))).toBe('IncorrectInstanceState');
    expect(await refusal(attach(launched!.InstanceId!, await newVolume()))).toBe('IncorrectState');
    const checks = () => member.ec2.send(new DescribeInstanceStatusCommand({ ...ids, IncludeAllInstances: true }));
    expect((await checks()).InstanceStatuses![0]!.InstanceStatus!.Status).toBe('not-applicable');
    await aws.lab.hold();
    await reaches(launched!.InstanceId!, 'running');
    expect((await checks()).InstanceStatuses![0]!.InstanceStatus!.Status).toBe('ok');
  });

  it('"When you stop your instance, it enters the stopping state, and then the stopped state"; it starts from stopped only', async () => {
    const [{ InstanceId } = {}] = await run();
    const ids = { InstanceIds: [InstanceId!] };
    await aws.lab.hold('instances');
    const { StoppingInstances } = await member.ec2.send(new StopInstancesCommand(ids));
    expect(StoppingInstances![0]).toMatchObject({
      PreviousState: { Name: 'running' },
      CurrentState: { Name: 'stopping' },
    });
    expect((await instance(InstanceId!)).State).toEqual({ Name: 'stopping', Code: 64 });
    expect(await refusal(member.ec2.send(new StartInstancesCommand(ids)))).toBe('IncorrectInstanceState');
    await aws.lab.hold();
    await reaches(InstanceId!, 'stopped');
    await aws.lab.hold('instances');
    await member.ec2.send(new StartInstancesCommand(ids));
    expect((await instance(InstanceId!)).State!.Name).toBe('pending');
    await aws.lab.hold();
    await reaches(InstanceId!, 'running');
  });

  it('a terminated instance is shutting-down first, and has its volumes until then', async () => {
    const [launched] = await run();
    const root = (await instance(launched!.InstanceId!)).BlockDeviceMappings![0]!.Ebs!.VolumeId!;
    await aws.lab.hold('instances');
    const ids = { InstanceIds: [launched!.InstanceId!] };
    const { TerminatingInstances } = await member.ec2.send(new TerminateInstancesCommand(ids));
    expect(TerminatingInstances![0]!.PreviousState!.Name).toBe('running');
    expect((await instance(launched!.InstanceId!)).State).toEqual({ Name: 'shutting-down', Code: 32 });
    expect((await volume(root)).State).toBe('in-use');
    await aws.lab.hold();
    await reaches(launched!.InstanceId!, 'terminated');
    expect(await refusal(volume(root))).toBe('InvalidVolume.NotFound');
  });

  it('RunInstances launches MaxCount instances, each with its volume; MinCount above MaxCount is refused', async () => {
    const launched = await run({ MinCount: 2, MaxCount: 7 });
    expect(launched.map((each) => each.AmiLaunchIndex)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    const all = await Promise.all(launched.map((each) => instance(each.InstanceId!)));
    expect(new Set(all.map((each) => each.BlockDeviceMappings![0]!.Ebs!.VolumeId)).size).toBe(7);
    expect(await refusal(run({ MinCount: 3, MaxCount: 2 }))).toBe('InvalidParameterValue');
  });
});

describe('volume states', () => {
  it('creating → available → in-use; attaching → attached → detaching → available', async () => {
    const [{ InstanceId } = {}] = await run();
    await aws.lab.hold('volumes');
    const id = await newVolume();
    expect((await volume(id)).State).toBe('creating');
    expect(await refusal(attach(InstanceId!, id))).toBe('IncorrectState');
    await aws.lab.hold();
    expect((await volume(id)).State).toBe('available');
    await aws.lab.hold('volumes');
    expect((await attach(InstanceId!, id)).State).toBe('attaching');
    expect(await volume(id)).toMatchObject({ State: 'in-use', Attachments: [{ State: 'attaching' }] });
    const mapping = (await instance(InstanceId!)).BlockDeviceMappings!.find((each) => each.DeviceName === '/dev/sdf');
    expect(mapping!.Ebs!.Status).toBe('attaching');
    await aws.lab.hold();
    expect((await volume(id)).Attachments![0]!.State).toBe('attached');
    await aws.lab.hold('volumes');
    expect((await detach(id)).State).toBe('detaching');
    expect(await volume(id)).toMatchObject({ State: 'in-use', Attachments: [{ State: 'detaching' }] });
    const [{ InstanceId: other } = {}] = await run();
    expect(await refusal(attach(other!, id))).toBe('VolumeInUse');
    await aws.lab.hold();
    await eventually(
      () => volume(id),
      (now) => now.State === 'available' && now.Attachments!.length === 0,
    );
  });

  it('"If the root device is attached to a running instance, you must stop the instance before detaching it"', async () => {
    const [{ InstanceId } = {}] = await run();
    const root = (await instance(InstanceId!)).BlockDeviceMappings![0]!.Ebs!.VolumeId!;
    expect(await refusal(detach(root))).toBe('OperationNotPermitted');
    await member.ec2.send(new StopInstancesCommand({ InstanceIds: [InstanceId!] }));
    await reaches(InstanceId!, 'stopped');
    await detach(root);
    await eventually(
      () => volume(root),
      (now) => now.State === 'available',
    );
  });

  it('"If a volume is mounted while it is detached, it can become stuck in the busy state"; Force ends that', async () => {
    const [{ InstanceId } = {}] = await run();
    const id = await newVolume();
    await attach(InstanceId!, id);
    await aws.lab.setFaults([{ service: 'ec2', action: 'DetachVolume', outcome: 'busy', match: { VolumeId: id } }]);
    await detach(id);
    await detach(id);
    expect((await volume(id)).Attachments![0]!.State).toBe('busy');
    await detach(id, true);
    await eventually(
      () => volume(id),
      (now) => now.State === 'available',
    );
  });

  it('DescribeVolumeStatus tells ok of volumes that are there, insufficient-data of one being created', async () => {
    await aws.lab.hold('volumes');
    const id = await newVolume();
    const status = async () =>
      (await member.ec2.send(new DescribeVolumeStatusCommand({ VolumeIds: [id] }))).VolumeStatuses![0]!;
    expect((await status()).VolumeStatus!.Status).toBe('insufficient-data');
    await aws.lab.hold();
    expect(await status()).toMatchObject({
      VolumeId: id,
      AvailabilityZone: ZONE,
      VolumeStatus: { Status: 'ok', Details: [{ Name: 'io-enabled', Status: 'passed' }, { Name: 'io-performance' }] },
    });
  });
});

/** What the instance host keeps of an instance, beside the emulator's data. */
async function instanceFolder(id: string): Promise<string> {
  const folder = path.join(path.dirname(aws.dataFolder), 'instances', id);
  await mkdir(folder, { recursive: true });
  return folder;
}

describe('GetConsoleOutput', () => {
  it('"By default, the most recent 64 KB of console output", base64; nothing of an instance that wrote nothing', async () => {
    const [{ InstanceId } = {}] = await run();
    const output = () => member.ec2.send(new GetConsoleOutputCommand({ InstanceId }));
    expect((await output()).Output).toBeUndefined();
    const text = `${'x'.repeat(80_000)}\nlogin: `;
    await writeFile(path.join(await instanceFolder(InstanceId!), 'console.log'), text);
    const answer = await output();
    expect(Buffer.from(answer.Output!, 'base64').toString()).toBe(text.slice(-64 * 1024));
    expect(answer.Timestamp).toBeInstanceOf(Date);
  });
});

/** The part of QEMU's monitor that a snapshot needs; `failAt` names a command after which it closes the connection. */
class Monitor {
  readonly commands: string[] = [];
  running = true;
  private constructor(private readonly server: Server) {}

  static async listen(socket: string, failAt?: string): Promise<Monitor> {
    const server = createServer();
    const monitor = new Monitor(server);
    server.on('connection', (connection) => {
      const send = (message: object) => connection.write(`${JSON.stringify(message)}\r\n`);
      send({ QMP: { version: {}, capabilities: [] } });
      let text = '';
      connection.on('data', (data) => {
        text += data.toString();
        for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
          const { execute } = JSON.parse(text.slice(0, end)) as { execute: string };
          text = text.slice(end + 1);
          monitor.commands.push(execute);
          if (execute === failAt) {
            failAt = undefined;
            connection.destroy();
            return;
          }
          if (execute === 'stop' || execute === 'cont') {
            monitor.running = execute === 'cont';
            send({ event: monitor.running ? 'RESUME' : 'STOP', timestamp: {} });
          }
          send({ return: execute === 'query-status' ? { running: monitor.running } : {} });
        }
      });
      connection.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    return monitor;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => {
        resolve();
      });
    });
  }
}

describe('snapshots of a running guest', () => {
  const snapshots = (InstanceId: string) =>
    member.ec2.send(new CreateSnapshotsCommand({ InstanceSpecification: { InstanceId } }));

  async function guest(failAt?: string): Promise<{ id: string; monitor: Monitor }> {
    const [launched] = await run({ BlockDeviceMappings: [{ DeviceName: '/dev/sdf', Ebs: { VolumeSize: 1 } }] });
    const id = launched!.InstanceId!;
    const folder = await instanceFolder(id);
    const qmpSnapshotSocket = path.join(folder, 'qmp.socket');
    await writeFile(path.join(folder, 'control.json'), JSON.stringify({ qmpSnapshotSocket }));
    return { id, monitor: await Monitor.listen(qmpSnapshotSocket, failAt) };
  }

  it('"CreateSnapshots: crash-consistent across all volumes of an instance": one pause for all of them', async () => {
    const { id, monitor } = await guest();
    expect((await snapshots(id)).Snapshots).toHaveLength(2);
    expect(monitor.commands).toEqual(['qmp_capabilities', 'query-status', 'stop', 'cont']);
    const VolumeId = (await instance(id)).BlockDeviceMappings![0]!.Ebs!.VolumeId!;
    await member.ec2.send(new CreateSnapshotCommand({ VolumeId }));
    expect(monitor.commands.slice(4)).toEqual(['qmp_capabilities', 'query-status', 'stop', 'cont']);
    await monitor.close();
  });

  it('a guest that somebody else has paused is not resumed', async () => {
    const { id, monitor } = await guest();
    monitor.running = false;
    await snapshots(id);
    expect(monitor.commands).toEqual(['qmp_capabilities', 'query-status']);
    await monitor.close();
  });

  it('a monitor that is gone stops no snapshot; one that breaks while the guest is paused is asked again to resume it', async () => {
    const broken = await guest('cont');
    expect((await snapshots(broken.id)).Snapshots).toHaveLength(2);
    expect(broken.monitor.running).toBe(true);
    expect(broken.monitor.commands.slice(-2)).toEqual(['qmp_capabilities', 'cont']);
    await broken.monitor.close();
    expect((await snapshots(broken.id)).Snapshots).toHaveLength(2);
  });
});
