import { JsonLineSocket } from './json-line-socket';

const ANSWER_MS = 30_000;

interface MonitorMessage {
  return?: unknown;
  error?: { class: string; desc: string };
  event?: string;
  data?: { device?: string };
}

/** QEMU's answer was an error, in QEMU's words. */
export class MonitorError extends Error {
  constructor(
    command: string,
    /** QEMU's error class, for example DeviceNotFound. */
    readonly errorClass: string,
    description: string,
  ) {
    super(`QEMU refused ${command}: ${description}`);
    this.name = 'MonitorError';
  }
}

/**
 * QEMU's monitor (QMP, "QEMU Machine Protocol Specification"). One connection at a time: QEMU serves the next one when
 * this is closed. Commands are sent one after the other.
 */
export class MachineMonitor {
  private readonly removed = new Set<string>();
  private queue: Promise<unknown> = Promise.resolve();

  private constructor(private readonly socket: JsonLineSocket) {}

  /** @throws Error nobody listens, or it is no monitor */
  static async connect(path: string): Promise<MachineMonitor> {
    const socket = await JsonLineSocket.connect(path, "QEMU's monitor");
    const monitor = new MachineMonitor(socket);
    try {
      await socket.next(ANSWER_MS); // the greeting
      await monitor.execute('qmp_capabilities');
    } catch (error) {
      socket.close();
      throw error;
    }
    return monitor;
  }

  /** @throws MonitorError QEMU refused; Error the connection is lost */
  execute(command: string, options: object = {}): Promise<unknown> {
    const answered = this.queue.then(async () => {
      this.socket.send({ execute: command, arguments: options });
      for (;;) {
        const message = await this.next();
        if (message.error) throw new MonitorError(command, message.error.class, message.error.desc);
        if ('return' in message) return message.return;
      }
    });
    this.queue = answered.catch(() => undefined);
    return answered;
  }

  /** Resolves when the guest has let go of a device. @throws Error it did not within 30 s */
  async waitRemoved(device: string): Promise<void> {
    const waited = this.queue.then(async () => {
      while (!this.removed.delete(device)) await this.next();
    });
    this.queue = waited.catch(() => undefined);
    await waited;
  }

  close(): void {
    this.socket.close();
  }

  private async next(): Promise<MonitorMessage> {
    const message = (await this.socket.next(ANSWER_MS)) as MonitorMessage;
    if (message.event === 'DEVICE_DELETED' && message.data?.device !== undefined) this.removed.add(message.data.device);
    return message;
  }
}
