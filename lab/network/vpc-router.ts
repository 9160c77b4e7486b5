import { addNamespace, dropNamespace, namespaceOf } from './namespaces';
import { FAR_MAC, ROUTER_MAC } from './interface-link';
import type { InternetNamespace } from './internet';
import type { NetworkServices } from './network-services';
import type { InterfaceState, VpcState } from './network-state';
import { resolvableNames } from './resolvable-names';
import { INTERNET_DEVICE, routerRules } from './router-rules';
import { applyRules, ipBatch } from './run-in-namespace';
import { vpcAddresses } from './vpc-addresses';

const ROUTER_SETTINGS = {
  'ipv4/ip_forward': '1',
  'ipv4/conf/all/rp_filter': '0',
  'ipv4/conf/default/rp_filter': '0',
  'ipv4/conf/all/send_redirects': '0',
  'ipv4/conf/default/send_redirects': '0',
};
/** The router's next hop towards the internet; the other end of the link has no name of its own. */
const INTERNET_ADDRESS = '169.254.1.2';

/** The router of one VPC, with the VPC's resolver and endpoints. One namespace a VPC: address ranges of VPCs may be the same. */
export class VpcRouter {
  readonly namespace: string;
  private inForce = '';
  private names = '';
  private publicAddresses: string[] = [];

  private constructor(
    stateFolder: string,
    readonly vpcId: string,
    private readonly internet: InternetNamespace,
    private readonly services: NetworkServices,
  ) {
    this.namespace = namespaceOf(stateFolder, vpcId);
  }

  static async make(
    stateFolder: string,
    vpc: VpcState,
    internet: InternetNamespace,
    services: NetworkServices,
  ): Promise<VpcRouter> {
    const router = new VpcRouter(stateFolder, vpc.vpcId, internet, services);
    await dropNamespace(router.namespace);
    await addNamespace(router.namespace, ROUTER_SETTINGS);
    try {
      const { resolvers, ssm, proxy } = vpcAddresses(vpc);
      await ipBatch(router.namespace, [
        ...[...resolvers, ssm, proxy].map((address) => `address add ${address}/32 dev lo`),
        `link add ${INTERNET_DEVICE} address ${ROUTER_MAC} type veth peer name ${internet.deviceOf(vpc.vpcId)} address ${FAR_MAC} netns ${internet.namespace}`,
        `link set ${INTERNET_DEVICE} up`,
        `route add default via ${INTERNET_ADDRESS} dev ${INTERNET_DEVICE} onlink`,
        `neigh replace ${INTERNET_ADDRESS} lladdr ${FAR_MAC} dev ${INTERNET_DEVICE} nud permanent`,
      ]);
      await internet.connect(vpc.vpcId);
      await services.open(vpc.vpcId, { namespace: router.namespace, resolvers, ssm, proxy });
    } catch (error) {
      await router.remove();
      throw error;
    }
    return router;
  }

  /** Puts the rules, translations and names of this moment in force. `interfaces` are those that are connected. */
  async follow(vpc: VpcState, interfaces: InterfaceState[]): Promise<void> {
    const { rules, publicAddresses } = routerRules(vpc, interfaces);
    if (rules !== this.inForce) {
      await applyRules(this.namespace, rules);
      this.inForce = rules;
    }
    if (publicAddresses.join() !== this.publicAddresses.join()) {
      await this.internet.route(this.vpcId, this.publicAddresses, publicAddresses);
      this.publicAddresses = publicAddresses;
    }
    const names = resolvableNames(vpc);
    if (JSON.stringify(names) !== this.names) {
      await this.services.name(this.vpcId, names);
      this.names = JSON.stringify(names);
    }
  }

  async remove(): Promise<void> {
    await this.services.close(this.vpcId);
    await dropNamespace(this.namespace, [INTERNET_DEVICE]);
  }
}
