/** One elastic network interface as the instance sees it. */
export interface InstanceInterface {
  networkInterfaceId: string;
  /** eth0 for the primary one, then eth1, … (in a guest: the order of its network devices). */
  device: string;
  macAddress: string;
  address: string;
  /** Length of the subnet's prefix, e.g. 24. */
  prefixLength: number;
  gateway: string;
  /** Only of a guest: the tap device in `InstanceNetwork.namespace` that QEMU opens for it. */
  tapDevice?: string;
}

/** Where an instance meets the lab's network. Made by the network, used by the runner of the instance. */
export interface InstanceNetwork {
  /**
   * Network namespace (a name for `ip netns exec`). A sandbox runs in it and finds its interfaces with their addresses;
   * a guest's QEMU runs in it and opens the tap devices.
   */
  namespace: string;
  interfaces: InstanceInterface[];
  /** Address of the resolver: answers whatever the security groups say, as on AWS. */
  resolver: string;
  /** Endpoint of SSM as the instance reaches it: the address of a VPC endpoint, port 443. */
  ssmUrl: string;
  /**
   * HTTP proxy at the address of a VPC endpoint, port 443, that leads to the emulator and to nothing else. The lab's
   * pre-signed URLs name this machine's loopback address; instances reach them through it (environment http_proxy).
   */
  proxyUrl: string;
}

export type InterfaceKind = 'veth' | 'tap';

/** The lab's network as the instance host uses it. */
export interface InstanceNetworks {
  /** Gives an instance its interfaces, with the security groups of this moment in force. Idempotent. */
  attach(instanceId: string, kind: InterfaceKind): Promise<InstanceNetwork>;
  /** Removes all that attach made. Nothing happens when there is nothing. */
  detach(instanceId: string): Promise<void>;
}
