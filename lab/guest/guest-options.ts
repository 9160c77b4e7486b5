export interface GuestVolume {
  /** For example vol-0123456789abcdef0. */
  volumeId: string;
  /** The raw disk image. */
  file: string;
  /** Writes of the guest fail. */
  readOnly: boolean;
}

export interface GuestInterface {
  macAddress: string;
  /** With its prefix, for example 10.0.3.17/24; the guest knows the first as its own. */
  addresses: readonly string[];
  /** Where packets to other networks go; without it they go nowhere. */
  gateway?: string;
  /** What QEMU connects the card to: its value of -netdev, without the id. */
  backend: string;
}

/** The SSM agent inside. */
export interface GuestAgentOptions {
  /** The agent as one JavaScript file. */
  file: string;
  /** Of the agent and of the scripts that it runs. */
  environment: Readonly<Record<string, string>>;
  /** Whether it starts at boot; else startAgent starts it. */
  atBoot: boolean;
}

export interface GuestOptions {
  instanceId: string;
  /** A folder of this instance's own: console log, process id, QEMU's log, sockets. */
  stateFolder: string;
  /** At least 256; 384 when not given. */
  memoryMiB?: number;
  /** The root volume first. It must hold a distribution with systemd on its first partition (root-disk.ts makes one). */
  volumes: readonly GuestVolume[];
  /** The primary one first. */
  interfaces: readonly GuestInterface[];
  /** Address of the resolver; without it the guest resolves no name. */
  resolver?: string;
  /** For example ip-10-0-3-17. */
  hostname: string;
  agent: GuestAgentOptions;
  /** Put before QEMU's command line, for example to run it in a network namespace. */
  launcher?: readonly string[];
}
