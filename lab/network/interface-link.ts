import { addNamespace, dropNamespace, namespaceOf } from './namespaces';
import { rangeOf } from './addresses';
import { TrackingHistory } from './connection-tracking';
import type { InstanceInterface, InterfaceKind } from './instance-network';
import type { InterfaceState, VpcState } from './network-state';
import { routerDevice } from './router-rules';
import { applyRules, ipBatch } from './run-in-namespace';
import { INNER_DEVICE, interfaceRules, OUTER_DEVICE } from './security-group-rules';
import { gatewayOf } from './vpc-addresses';

/**
 * Next hop and hardware addresses of the links between two of our namespaces. Each link has two ends and both are known
 * beforehand, so nobody has to ask for them (and no answer can come late).
 */
export const ROUTER_ADDRESS = '169.254.1.1';
export const ROUTER_MAC = '02:4c:00:00:00:01';
export const FAR_MAC = '02:4c:00:00:00:02';

/** The host side of a network interface: answers for every address of the VPC, as the VPC's own routers do. */
const INTERFACE_SETTINGS = {
  'ipv4/ip_forward': '1',
  'ipv4/conf/all/rp_filter': '0',
  'ipv4/conf/default/rp_filter': '0',
  'ipv4/conf/all/send_redirects': '0',
  'ipv4/conf/default/send_redirects': '0',
  'ipv4/conf/default/proxy_arp': '1',
  'ipv4/neigh/default/proxy_delay': '0',
  // EC2's default idle time-outs: TCP 5 days, UDP 30 s, UDP with answers 180 s (EC2 User Guide, "Idle connection tracking
  // timeout"). Linux takes a moment to see an orderly end of a TCP connection as EC2 does; that is left as it is.
  'netfilter/nf_conntrack_tcp_timeout_established': '432000',
  'netfilter/nf_conntrack_udp_timeout': '30',
  'netfilter/nf_conntrack_udp_timeout_stream': '180',
};

/**
 * A network interface: its own namespace between the instance and the VPC's router. The security groups are in force there,
 * with connection tracking of its own, where nobody inside the instance reaches them.
 */
export class InterfaceLink {
  readonly namespace: string;
  readonly asSeenInside: InstanceInterface;
  private readonly history = new TrackingHistory();
  private inForce = '';

  private constructor(
    stateFolder: string,
    private readonly instanceNamespace: string,
    private readonly routerNamespace: string,
    readonly eni: InterfaceState,
    private readonly subnetCidrBlock: string,
    kind: InterfaceKind,
  ) {
    this.namespace = namespaceOf(stateFolder, eni.networkInterfaceId);
    this.asSeenInside = {
      networkInterfaceId: eni.networkInterfaceId,
      device: `eth${eni.deviceIndex}`,
      macAddress: eni.macAddress,
      address: eni.privateAddress,
      prefixLength: rangeOf(subnetCidrBlock).prefixLength,
      gateway: gatewayOf(subnetCidrBlock),
      ...(kind === 'tap' ? { tapDevice: `tap${eni.deviceIndex}` } : {}),
    };
  }

  /** Makes it, with the rules of this moment in force before the first packet. */
  static async make(
    stateFolder: string,
    instanceNamespace: string,
    vpc: VpcState,
    eni: InterfaceState,
    kind: InterfaceKind,
  ): Promise<InterfaceLink> {
    const subnet = vpc.subnets.find((one) => one.subnetId === eni.subnetId);
    if (!subnet) throw new Error(`${eni.networkInterfaceId} lies in ${eni.subnetId}, which ${vpc.vpcId} does not have`);
    const router = namespaceOf(stateFolder, vpc.vpcId);
    const link = new InterfaceLink(stateFolder, instanceNamespace, router, eni, subnet.cidrBlock, kind);
    // What an earlier lab of this state folder may have left.
    await dropNamespace(link.namespace);
    await addNamespace(link.namespace, INTERFACE_SETTINGS);
    try {
      await link.follow(vpc, eni);
      await link.connectRouter();
      await link.connectInstance();
    } catch (error) {
      await link.remove();
      throw error;
    }
    return link;
  }

  /** Puts the rules of this moment in force. Nothing is done where they are in force already. */
  async follow(vpc: VpcState, eni: InterfaceState): Promise<void> {
    const subnet = vpc.subnets.find((one) => one.subnetId === eni.subnetId);
    if (!subnet) return;
    this.history.follow(eni, vpc.securityGroups);
    const rules = interfaceRules(vpc, subnet, eni, this.history.zones);
    if (rules === this.inForce) return;
    await applyRules(this.namespace, rules);
    this.inForce = rules;
  }

  /** Its devices go with its namespace, and with them their other ends. */
  async remove(): Promise<void> {
    await dropNamespace(this.namespace, [INNER_DEVICE, OUTER_DEVICE]);
  }

  private async connectRouter(): Promise<void> {
    const device = routerDevice(this.eni.networkInterfaceId);
    const address = this.eni.privateAddress;
    await ipBatch(this.namespace, [
      `link add ${OUTER_DEVICE} address ${FAR_MAC} type veth peer name ${device} address ${ROUTER_MAC} netns ${this.routerNamespace}`,
      `link set ${OUTER_DEVICE} up`,
      `route add default via ${ROUTER_ADDRESS} dev ${OUTER_DEVICE} onlink`,
      `neigh replace ${ROUTER_ADDRESS} lladdr ${ROUTER_MAC} dev ${OUTER_DEVICE} nud permanent`,
    ]);
    await ipBatch(this.routerNamespace, [
      `link set ${device} up`,
      `route replace ${address}/32 dev ${device}`,
      `neigh replace ${address} lladdr ${FAR_MAC} dev ${device} nud permanent`,
    ]);
  }

  private async connectInstance(): Promise<void> {
    const { device, macAddress, address, tapDevice } = this.asSeenInside;
    const near = tapDevice === undefined ? device : `link${this.eni.deviceIndex}`;
    const ownMac = tapDevice === undefined ? ` address ${macAddress}` : '';
    await ipBatch(this.namespace, [
      `link add ${INNER_DEVICE} type veth peer name ${near}${ownMac} netns ${this.instanceNamespace}`,
      `link set ${INNER_DEVICE} up`,
      `route add ${address}/32 dev ${INNER_DEVICE}`,
      `neigh replace ${address} lladdr ${macAddress} dev ${INNER_DEVICE} nud permanent`,
    ]);
    await ipBatch(this.instanceNamespace, tapDevice === undefined ? this.addressing() : this.bridging(near, tapDevice));
  }

  private addressing(): string[] {
    const { device, address, prefixLength, gateway } = this.asSeenInside;
    const lines = [`link set ${device} up`, `address add ${address}/${prefixLength} dev ${device}`];
    if (this.eni.deviceIndex === 0) return [...lines, `route add default via ${gateway} dev ${device} onlink`];
    // What leaves from the address of a further interface leaves by that interface, as Amazon Linux sets it up.
    const table = 1000 + this.eni.deviceIndex;
    return [
      ...lines,
      `route add default via ${gateway} dev ${device} onlink table ${table}`,
      `rule add from ${address} table ${table} priority ${table}`,
    ];
  }

  /** A guest's frames go from the tap device to the interface and back as they are. */
  private bridging(near: string, tapDevice: string): string[] {
    const bridge = `bridge${this.eni.deviceIndex}`;
    return [
      `link add ${bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
      `tuntap add dev ${tapDevice} mode tap`,
      ...[tapDevice, near].map((device) => `link set ${device} master ${bridge}`),
      ...[bridge, tapDevice, near].map((device) => `link set ${device} up`),
    ];
  }
}
