export interface GuestVolume {
  /** For example vol-0123456789abcdef0. */
  volumeId: string;
  /** The raw disk image. */
  file: string;
}

export interface GuestOptions {
  instanceId: string;
  /** A folder of this instance's own: console log, process id, QEMU's log. */
  stateFolder: string;
  /** At least 128; 256 when not given. */
  memoryMiB?: number;
  /** The root volume first. */
  volumes: readonly GuestVolume[];
  /** Unix socket that QEMU makes: the guest's runner of scripts is at its other end. At most 107 characters. */
  channelSocket: string;
  /** Ports on 127.0.0.1 that the guest reaches through its proxy: AWS endpoint and SSM endpoint. */
  forwardPorts: readonly number[];
  /** For example ip-10-0-3-17. */
  hostname: string;
  /** The instance's private IPv4 address. */
  address: string;
}
