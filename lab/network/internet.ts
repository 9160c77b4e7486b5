import { addNamespace, dropNamespace, namespaceOf } from './namespaces';
import { ROUTER_ADDRESS, ROUTER_MAC } from './interface-link';
import { ipBatch } from './run-in-namespace';

/** Where our beacon server is: an address for documentation (RFC 5737), no real machine's. */
export const BEACON_ADDRESS = '203.0.113.66';

/** The lab's internet: one namespace with the beacon server, linked to every VPC's router and to nothing of this machine. */
export class InternetNamespace {
  readonly namespace: string;

  private constructor(stateFolder: string) {
    this.namespace = namespaceOf(stateFolder, 'internet');
  }

  static async make(stateFolder: string): Promise<InternetNamespace> {
    const internet = new InternetNamespace(stateFolder);
    await dropNamespace(internet.namespace);
    await addNamespace(internet.namespace, { 'ipv4/ip_forward': '1', 'ipv4/conf/all/rp_filter': '0' });
    await ipBatch(internet.namespace, [`address add ${BEACON_ADDRESS}/32 dev lo`]);
    return internet;
  }

  /** Its device towards a VPC (device names have 15 characters at most). */
  deviceOf(vpcId: string): string {
    return `vpc${vpcId.slice(-12)}`;
  }

  /** After the router has made the link. */
  async connect(vpcId: string): Promise<void> {
    const device = this.deviceOf(vpcId);
    await ipBatch(this.namespace, [
      `link set ${device} up`,
      `neigh replace ${ROUTER_ADDRESS} lladdr ${ROUTER_MAC} dev ${device} nud permanent`,
    ]);
  }

  /** Leads public addresses to a VPC, and those no longer its own nowhere. */
  async route(vpcId: string, before: string[], now: string[]): Promise<void> {
    const way = `via ${ROUTER_ADDRESS} dev ${this.deviceOf(vpcId)} onlink`;
    await ipBatch(this.namespace, [
      ...before.filter((address) => !now.includes(address)).map((address) => `route flush exact ${address}/32`),
      ...now.map((address) => `route replace ${address}/32 ${way} src ${BEACON_ADDRESS}`),
    ]);
  }

  async remove(): Promise<void> {
    await dropNamespace(this.namespace);
  }
}
