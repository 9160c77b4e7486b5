import http from 'node:http';
import {
  AllocateAddressCommand,
  AssociateAddressCommand,
  AttachInternetGatewayCommand,
  AttachNetworkInterfaceCommand,
  CreateInternetGatewayCommand,
  CreateNatGatewayCommand,
  CreateNetworkAclCommand,
  CreateNetworkAclEntryCommand,
  CreateNetworkInterfaceCommand,
  CreateRouteCommand,
  CreateRouteTableCommand,
  AssociateRouteTableCommand,
  CreateTagsCommand,
  DeleteTagsCommand,
  DescribeNetworkAclsCommand,
  DetachNetworkInterfaceCommand,
  DisassociateAddressCommand,
  ReplaceNetworkAclAssociationCommand,
  RevokeSecurityGroupIngressCommand,
} from '@aws-sdk/client-ec2';
import { type BeaconSession, beaconView, resolverQueries } from '../../../lab/network/beacon-view';
import { BEACON_ADDRESS } from '../../../lab/network/internet';
import { namespaceOf, namespacesOf } from '../../../lab/network/namespaces';
import { whyNoNetwork } from '../../../lab/network/network-support';
import { runInNamespace } from '../../../lab/network/run-in-namespace';
import { runInInstanceNetwork } from '../../../lab/network/packet-counters';
import { emulatorPython } from '../aws/emulated-aws';
import {
  canConnect,
  echoServer,
  EVERYTHING,
  eventually,
  group,
  launch,
  type Machine,
  machine,
  networkLab,
  type NetworkLab,
  packets,
  type Program,
  session,
  setGroups,
  subnet,
  tcp,
  VPC_RANGE,
} from './network-lab';

const canNetwork = process.getuid?.() === 0;
const describeNetwork = canNetwork ? describe : describe.skip;

describeNetwork('the network of a lab', () => {
  let lab: NetworkLab;
  /** Groups that the tests share: everything both ways, nothing, and the product's isolation group. */
  let open: string;
  let closed: string;
  let isolation: string;
  /** Outbound free, TCP 8080 from the VPC: connections are tracked. */
  let application: string;
  /** Answers on ports 8080 and 9090. */
  let server: Machine;
  let client: Machine;
  const programs: Program[] = [];

  beforeAll(async () => {
    lab = await networkLab();
    open = await group(lab, [EVERYTHING], [EVERYTHING]);
    closed = await group(lab, [], []);
    isolation = await group(lab, [], [tcp(443, VPC_RANGE)]);
    application = await group(lab, [tcp(8080, VPC_RANGE)], [EVERYTHING]);
    server = await machine(lab, [application]);
    client = await machine(lab, [application]);
    for (const port of [8080, 9090]) programs.push(await echoServer(server.network.namespace, port));
  }, 180_000);
  afterAll(async () => {
    for (const program of programs) program.end();
    await lab.stop();
  }, 60_000);

  /** A session between two machines whose first line has come back. */
  async function running(from: Machine, address: string, port = 8080): Promise<Program> {
    const connection = session(from.network.namespace, address, port);
    programs.push(connection);
    expect(await connection.connected()).toBe(true);
    await answers(connection, from.address);
    return connection;
  }

  let lines = 0;
  async function answers(connection: Program, seenFrom: string): Promise<void> {
    lines += 1;
    connection.send(`line ${lines}`);
    await connection.line(`${seenFrom} line ${lines}`);
  }

  /** Sends a line and sees that the interface lets none of its packets through, however often TCP repeats it. */
  async function isCut(connection: Program, from: Machine, peer: string): Promise<void> {
    const accepted = await packets(lab, from, peer, 'fromInstance', 'accepted');
    const refused = await packets(lab, from, peer, 'fromInstance', 'refused');
    const seen = connection.lines.length;
    connection.send('cut');
    await eventually('a refused packet', async () => {
      const now = await packets(lab, from, peer, 'fromInstance', 'refused');
      return now.packets > refused.packets + 1;
    });
    expect(await packets(lab, from, peer, 'fromInstance', 'accepted')).toEqual(accepted);
    expect(connection.lines).toHaveLength(seen);
  }

  it('is found possible on this machine', async () => {
    expect(await whyNoNetwork()).toBeUndefined();
  });

  describe('security groups', () => {
    it('let through what a rule permits and nothing else', async () => {
      expect(await canConnect(client.network.namespace, server.address, 8080)).toBe(true);
      const before = await packets(lab, server, client.address, 'toInstance', 'refused');
      expect(await canConnect(client.network.namespace, server.address, 9090)).toBe(false);
      const after = await packets(lab, server, client.address, 'toInstance', 'refused');
      expect(after.packets).toBeGreaterThan(before.packets);
    });

    it('permit the members of a referenced group, as they are now; several groups permit their union', async () => {
      const members = await group(lab, [], []);
      const reference = await group(
        lab,
        [{ IpProtocol: 'tcp', FromPort: 9090, ToPort: 9090, UserIdGroupPairs: [{ GroupId: members }] }],
        [],
      );
      await setGroups(lab, server, application, reference);
      await setGroups(lab, client, application, members);
      await lab.network.settled();
      expect(await canConnect(client.network.namespace, server.address, 9090)).toBe(true);
      expect(await canConnect(client.network.namespace, server.address, 8080)).toBe(true);
      await setGroups(lab, client, application);
      await lab.network.settled();
      expect(await canConnect(client.network.namespace, server.address, 9090)).toBe(false);
      await setGroups(lab, server, application);
    });

    it('come into force on their own after a change', async () => {
      const extra = await group(lab, [tcp(9090, VPC_RANGE)], []);
      await setGroups(lab, server, application, extra);
      await eventually('a connection', () => canConnect(client.network.namespace, server.address, 9090));
      await lab.ec2.send(
        new RevokeSecurityGroupIngressCommand({ GroupId: extra, IpPermissions: [tcp(9090, VPC_RANGE)] }),
      );
      await eventually(
        'no connection',
        async () => !(await canConnect(client.network.namespace, server.address, 9090)),
      );
      await setGroups(lab, server, application);
    });
  });

  describe('connection tracking', () => {
    afterEach(async () => {
      await setGroups(lab, client, application);
      await lab.network.settled();
    });

    it('a tracked connection goes on after its groups were taken away; a new one does not come about', async () => {
      const connection = await running(client, server.address);
      await setGroups(lab, client, isolation);
      await lab.network.settled();
      expect(await canConnect(client.network.namespace, server.address, 8080)).toBe(false);
      await answers(connection, client.address);
    });

    it('a tracked connection ends when everything was open in between, even for a moment without packets', async () => {
      const connection = await running(client, server.address);
      await setGroups(lab, client, open);
      await setGroups(lab, client, isolation);
      await lab.network.settled();
      await isCut(connection, client, server.address);
    });

    it('an untracked connection ends at once when its rule goes', async () => {
      await setGroups(lab, client, open);
      await lab.network.settled();
      const connection = await running(client, server.address);
      await setGroups(lab, client, isolation);
      await lab.network.settled();
      await isCut(connection, client, server.address);
    });

    it('an inbound connection to a port open to everyone is untracked when all may leave; others stay tracked', async () => {
      const everyone = await group(lab, [tcp(9090, '0.0.0.0/0')], []);
      await setGroups(lab, server, application, everyone);
      await lab.network.settled();
      const untracked = await running(client, server.address, 9090);
      const tracked = await running(client, server.address, 8080);
      await setGroups(lab, server, closed);
      await lab.network.settled();
      await answers(tracked, client.address);
      const refused = await packets(lab, server, client.address, 'toInstance', 'refused');
      untracked.send('cut');
      await eventually('a refused packet', async () => {
        const now = await packets(lab, server, client.address, 'toInstance', 'refused');
        return now.packets > refused.packets;
      });
      await setGroups(lab, server, application);
    });
  });

  describe('network ACLs', () => {
    it('judge each packet by itself, at the border of the subnet only', async () => {
      const elsewhere = await subnet(lab.ec2, lab.vpcId, '10.30.2.0/24');
      const outside = await machine(lab, [open], elsewhere);
      programs.push(await echoServer(outside.network.namespace, 8080));
      const { NetworkAcl } = await lab.ec2.send(new CreateNetworkAclCommand({ VpcId: lab.vpcId }));
      const entry = (Egress: boolean, RuleNumber: number, RuleAction: 'allow' | 'deny', From?: number, To?: number) =>
        lab.ec2.send(
          new CreateNetworkAclEntryCommand({
            NetworkAclId: NetworkAcl!.NetworkAclId,
            Egress,
            RuleNumber,
            RuleAction,
            Protocol: From === undefined ? '-1' : '6',
            CidrBlock: '0.0.0.0/0',
            ...(From === undefined ? {} : { PortRange: { From, To } }),
          }),
        );
      await entry(true, 100, 'allow');
      await entry(false, 100, 'allow', 8080, 8080);
      const connection = await running(client, outside.address);
      const { NetworkAcls } = await lab.ec2.send(
        new DescribeNetworkAclsCommand({ Filters: [{ Name: 'association.subnet-id', Values: [elsewhere] }] }),
      );
      const AssociationId = NetworkAcls![0]!.Associations!.find(
        (one) => one.SubnetId === elsewhere,
      )!.NetworkAclAssociationId!;
      await lab.ec2.send(
        new ReplaceNetworkAclAssociationCommand({ AssociationId, NetworkAclId: NetworkAcl!.NetworkAclId }),
      );
      await lab.network.settled();
      // Into the subnet by port 8080, and all may leave it: there is a way for requests and one for their answers.
      await answers(connection, client.address);
      expect(await canConnect(client.network.namespace, outside.address, 8080)).toBe(true);
      // From inside the answers come to a port of the client's own choice, which no entry lets in.
      expect(await canConnect(outside.network.namespace, server.address, 8080)).toBe(false);
      await entry(false, 90, 'deny', 8080, 8080);
      await lab.network.settled();
      const seen = connection.lines.length;
      connection.send('dropped at the border');
      expect(await canConnect(client.network.namespace, outside.address, 8080)).toBe(false);
      expect(connection.lines).toHaveLength(seen);
      const neighbour = await machine(lab, [open], elsewhere);
      expect(await canConnect(neighbour.network.namespace, outside.address, 8080)).toBe(true);
    });
  });

  describe('the internet', () => {
    /** The latest session that the beacon saw from an address, once it counts that many lines. */
    const seenByBeacon = (from: string, count: number): Promise<BeaconSession> =>
      eventually(`a session from ${from} with ${count} lines`, async () => {
        const found = (await beaconView(lab.stateFolder)).sessions.findLast((one) => one.from === from);
        return found?.lines === count ? found : undefined;
      });

    async function subnetWithRoute(range: string, route: object): Promise<string> {
      const SubnetId = await subnet(lab.ec2, lab.vpcId, range);
      const { RouteTable } = await lab.ec2.send(new CreateRouteTableCommand({ VpcId: lab.vpcId }));
      const RouteTableId = RouteTable!.RouteTableId!;
      await lab.ec2.send(new AssociateRouteTableCommand({ RouteTableId, SubnetId }));
      await lab.ec2.send(new CreateRouteCommand({ RouteTableId, DestinationCidrBlock: '0.0.0.0/0', ...route }));
      return SubnetId;
    }

    async function elasticAddress(): Promise<{ AllocationId: string; PublicIp: string }> {
      const { AllocationId, PublicIp } = await lab.ec2.send(new AllocateAddressCommand({ Domain: 'vpc' }));
      return { AllocationId: AllocationId!, PublicIp: PublicIp! };
    }

    async function beaconSession(from: Machine): Promise<Program> {
      const connection = session(from.network.namespace, BEACON_ADDRESS, 443);
      programs.push(connection);
      expect(await connection.connected()).toBe(true);
      connection.send('hello');
      await connection.line('ok 1');
      return connection;
    }

    it('is reached by an elastic address, both ways, as long as the instance has it', async () => {
      const { InternetGateway } = await lab.ec2.send(new CreateInternetGatewayCommand({}));
      const GatewayId = InternetGateway!.InternetGatewayId!;
      await lab.ec2.send(new AttachInternetGatewayCommand({ InternetGatewayId: GatewayId, VpcId: lab.vpcId }));
      const SubnetId = await subnetWithRoute('10.30.3.0/24', { GatewayId });
      const exposed = await machine(lab, [application, await group(lab, [tcp(8080, '0.0.0.0/0')], [])], SubnetId);
      programs.push(await echoServer(exposed.network.namespace, 8080));
      expect(await canConnect(exposed.network.namespace, BEACON_ADDRESS, 443)).toBe(false);

      const { AllocationId, PublicIp } = await elasticAddress();
      const { AssociationId } = await lab.ec2.send(
        new AssociateAddressCommand({ AllocationId, InstanceId: exposed.instanceId }),
      );
      await lab.network.settled();
      const internet = namespaceOf(lab.stateFolder, 'internet');
      expect(await canConnect(internet, PublicIp, 8080)).toBe(true);
      expect(await canConnect(internet, PublicIp, 9090)).toBe(false);
      const connection = await beaconSession(exposed);
      expect(await seenByBeacon(PublicIp, 1)).toMatchObject({ bytesIn: 6, bytesOut: 5, open: true });

      await lab.ec2.send(new DisassociateAddressCommand({ AssociationId }));
      await lab.network.settled();
      connection.send('nobody hears this');
      expect(await canConnect(internet, PublicIp, 8080)).toBe(false);
      await seenByBeacon(PublicIp, 1);
    });

    it('a session through a NAT instance outlives the naive isolation, and ends with the two-step one', async () => {
      const { NetworkInterface } = await lab.ec2.send(new CreateNetworkInterfaceCommand({ SubnetId: lab.subnetId }));
      const NetworkInterfaceId = NetworkInterface!.NetworkInterfaceId!;
      const { AllocationId, PublicIp } = await elasticAddress();
      await lab.ec2.send(new AssociateAddressCommand({ AllocationId, NetworkInterfaceId }));
      const suspect = await machine(lab, [application], await subnetWithRoute('10.30.4.0/24', { NetworkInterfaceId }));
      const connection = await beaconSession(suspect);
      expect(await seenByBeacon(PublicIp, 1)).toMatchObject({ open: true });

      await setGroups(lab, suspect, isolation);
      await lab.network.settled();
      connection.send('still here');
      await connection.line('ok 2');

      await setGroups(lab, suspect, open);
      await setGroups(lab, suspect, isolation);
      await lab.network.settled();
      await isCut(connection, suspect, BEACON_ADDRESS);
      await seenByBeacon(PublicIp, 2);
    });

    it('a session through a NAT gateway is always tracked: it outlives the two-step isolation as well', async () => {
      const { AllocationId, PublicIp } = await elasticAddress();
      const { NatGateway } = await lab.ec2.send(new CreateNatGatewayCommand({ SubnetId: lab.subnetId, AllocationId }));
      const NatGatewayId = NatGateway!.NatGatewayId!;
      const suspect = await machine(lab, [application], await subnetWithRoute('10.30.5.0/24', { NatGatewayId }));
      const connection = await beaconSession(suspect);
      await setGroups(lab, suspect, open);
      await setGroups(lab, suspect, isolation);
      await lab.network.settled();
      connection.send('still here');
      await connection.line('ok 2');
      expect(await seenByBeacon(PublicIp, 2)).toMatchObject({ open: true });
      expect(await canConnect(suspect.network.namespace, BEACON_ADDRESS, 80)).toBe(false);
    });
  });

  describe('the resolver of the VPC', () => {
    const QUERY = `
import socket, struct, sys
query = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0)
query += b"".join(bytes([len(part)]) + part.encode() for part in sys.argv[2].split(".")) + b"\\0" + struct.pack("!HH", 1, 1)
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.settimeout(30)
asking.sendto(query, (sys.argv[1], 53))
answer = asking.recv(512)
print(answer[3] & 15, socket.inet_ntoa(answer[-4:]) if answer[7] else "-")
`;

    it('answers whatever the security groups say, and writes down what it was asked', async () => {
      const lonely = await machine(lab, [closed]);
      const ask = (resolver: string, name: string): Promise<string> =>
        runInInstanceNetwork(lab.stateFolder, lonely.instanceId, emulatorPython(), ['-c', QUERY, resolver, name]);
      expect(await ask('10.30.0.2', 'c2.example')).toBe(`0 ${BEACON_ADDRESS}\n`);
      expect(await ask('169.254.169.253', 'stolen-data.c2.example')).toBe(`0 ${BEACON_ADDRESS}\n`);
      expect(await ask('10.30.0.2', 'ssm.us-east-1.amazonaws.com')).toBe('0 10.30.255.254\n');
      expect(await ask('10.30.0.2', `ip-${server.address.replaceAll('.', '-')}.ec2.internal`)).toBe(
        `0 ${server.address}\n`,
      );
      expect(await ask('10.30.0.2', 'unknown.example')).toBe('3 -\n');
      const queries = (await resolverQueries(lab.stateFolder)).filter(({ from }) => from === lonely.address);
      expect(queries).toContainEqual(
        expect.objectContaining({ name: 'stolen-data.c2.example', type: 'A', vpcId: lab.vpcId, protocol: 'udp' }),
      );
      expect(await canConnect(lonely.network.namespace, server.address, 8080)).toBe(false);
    });
  });

  describe('the endpoints of the VPC', () => {
    const fetched = (from: Machine, ...args: string[]): Promise<string> =>
      runInInstanceNetwork(lab.stateFolder, from.instanceId, 'curl', ['-q', '-sS', '--max-time', '30', ...args]);

    it('SSM is reached under the isolation group, and not without TCP 443 to the VPC', async () => {
      await setGroups(lab, client, isolation);
      await lab.network.settled();
      expect(await fetched(client, `${client.network.ssmUrl}/ping`)).toBe('ssm got /ping\n');
      await setGroups(lab, client, closed);
      await lab.network.settled();
      expect(await canConnect(client.network.namespace, '10.30.255.254', 443)).toBe(false);
      await setGroups(lab, client, application);
      await lab.network.settled();
    });

    it('an endpoint can be shut', async () => {
      const tag = { Key: 'lab:closed-endpoints', Value: 'ssm' };
      await lab.ec2.send(new CreateTagsCommand({ Resources: [lab.vpcId], Tags: [tag] }));
      await lab.network.settled();
      expect(await canConnect(client.network.namespace, '10.30.255.254', 443)).toBe(false);
      expect(await canConnect(client.network.namespace, '10.30.255.253', 443)).toBe(true);
      await lab.ec2.send(new DeleteTagsCommand({ Resources: [lab.vpcId], Tags: [tag] }));
      await lab.network.settled();
      expect(await canConnect(client.network.namespace, '10.30.255.254', 443)).toBe(true);
    });

    it('the proxy leads to the emulator and nowhere else', async () => {
      const proxy = ['--proxy', client.network.proxyUrl, '--write-out', ' %{http_code}'];
      expect(await fetched(client, ...proxy, `${lab.aws.emulator.url}/moto-api/lab/faults`)).toBe('[] 200');
      const other = http.createServer((_request, response) => response.end('reached'));
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
      const { port } = other.address() as { port: number };
      const refused = await fetched(client, ...proxy, `http://127.0.0.1:${port}/`);
      await new Promise((resolve) => other.close(resolve));
      expect(refused).toMatch(/leads to 127\.0\.0\.1:\d+ only\n 403/);
    });
  });

  it('an interface that is attached while the instance runs has its own groups, and goes with its detachment', async () => {
    const { NetworkInterface } = await lab.ec2.send(
      new CreateNetworkInterfaceCommand({ SubnetId: lab.subnetId, Groups: [closed] }),
    );
    const { NetworkInterfaceId, PrivateIpAddress } = NetworkInterface!;
    const { AttachmentId } = await lab.ec2.send(
      new AttachNetworkInterfaceCommand({ NetworkInterfaceId, InstanceId: server.instanceId, DeviceIndex: 1 }),
    );
    const devices = (): Promise<string> =>
      runInInstanceNetwork(lab.stateFolder, server.instanceId, 'ip', ['-brief', 'address', 'show', 'up']);
    await eventually('eth1', async () => (await devices()).includes(PrivateIpAddress!));
    expect(await canConnect(client.network.namespace, PrivateIpAddress!, 8080)).toBe(false);
    expect(await canConnect(client.network.namespace, server.address, 8080)).toBe(true);
    await lab.ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId }));
    await eventually('no eth1', async () => !(await devices()).includes('eth1'));
  });

  describe('a guest', () => {
    // Opens the tap device as QEMU does, asks for the gateway as its system would (RFC 826), prints who answers.
    const ASK_FOR_GATEWAY = `
import fcntl, os, select, socket, struct, sys
device, own_mac, own, gateway = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", "")), sys.argv[3], sys.argv[4]
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", device.encode(), 0x1002))
question = b"\\xff" * 6 + own_mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1)
question += own_mac + socket.inet_aton(own) + bytes(6) + socket.inet_aton(gateway)
while True:
    # The device comes up a moment after it was opened; systems ask again, too.
    if not select.select([tap], [], [], 0.3)[0]:
        os.write(tap, question)
        continue
    frame = os.read(tap, 2000)
    if frame[12:14] == b"\\x08\\x06" and frame[20:22] == b"\\0\\2" and frame[:6] == own_mac:
        print(socket.inet_ntoa(frame[28:32]))
        break
`;

    it('finds its gateway through the tap device of its interface', async () => {
      const { instanceId } = await launch(lab, [open], lab.subnetId);
      const network = await lab.network.attach(instanceId, 'tap');
      const { tapDevice, macAddress, address, gateway } = network.interfaces[0]!;
      const answer = await runInNamespace(network.namespace, emulatorPython(), [
        '-c',
        ASK_FOR_GATEWAY,
        tapDevice!,
        macAddress,
        address,
        gateway,
      ]);
      expect(answer).toBe(`${gateway}\n`);
      await lab.network.detach(instanceId);
    });
  });

  it('nothing is left of an instance that was detached, and of the network after its end', async () => {
    const { instanceId } = await machine(lab, [closed]);
    await lab.network.detach(instanceId);
    expect(await namespacesOf(lab.stateFolder)).not.toContain(namespaceOf(lab.stateFolder, instanceId));
    expect(lab.network.problems()).toEqual([]);
    await lab.network.stop();
    expect(await namespacesOf(lab.stateFolder)).toEqual([]);
  });
});
