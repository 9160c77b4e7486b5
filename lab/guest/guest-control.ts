import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { JsonLineSocket } from './json-line-socket';

/** Starting a process on an emulated, busy processor takes its time. */
const ANSWER_MS = 30_000;
const PROGRAM_MS = 60_000;
const POLL_MS = 100;
/** Ends whatever the agent has read so far ("guest-sync-delimited", QEMU Guest Agent Protocol Reference). */
const RESET = Buffer.from([0xff]);

interface ControlMessage {
  return?: unknown;
  error?: { desc: string };
}

/**
 * The lab's hand inside a guest, beside everything that an instance on AWS has: the QEMU guest agent, over a serial
 * port. It lets the SSM agent crash and come back, as a test asks for. Documents never go this way.
 */
export class GuestControl {
  constructor(private readonly socketPath: string) {}

  /** @throws Error the guest does not answer within so many milliseconds */
  async ping(milliseconds: number): Promise<void> {
    await this.connected(() => Promise.resolve(), milliseconds);
  }

  /**
   * Runs a program to its end.
   * @throws Error the guest does not answer, or the program ends with another code than 0
   */
  async run(program: string, args: readonly string[]): Promise<void> {
    await this.connected(async (socket) => {
      const { pid } = (await ask(socket, 'guest-exec', { path: program, arg: args })) as { pid: number };
      const deadline = Date.now() + PROGRAM_MS;
      for (;;) {
        const seen = (await ask(socket, 'guest-exec-status', { pid })) as { exited: boolean; exitcode?: number };
        if (seen.exited && seen.exitcode === 0) return;
        if (seen.exited) throw new Error(`${program} ended in the guest with code ${seen.exitcode ?? 'none: killed'}`);
        if (Date.now() > deadline) throw new Error(`${program} did not end in the guest within ${PROGRAM_MS / 1000} s`);
        await sleep(POLL_MS);
      }
    }, ANSWER_MS);
  }

  private async connected<T>(use: (socket: JsonLineSocket) => Promise<T>, milliseconds: number): Promise<T> {
    const socket = await JsonLineSocket.connect(this.socketPath, 'the guest');
    try {
      await synchronise(socket, milliseconds);
      return await use(socket);
    } finally {
      socket.close();
    }
  }
}

/** Answers to an earlier connection may still be on the line: read on until the own number comes back. */
async function synchronise(socket: JsonLineSocket, milliseconds: number): Promise<void> {
  const id = randomInt(2 ** 31);
  socket.send({ execute: 'guest-sync', arguments: { id } }, RESET);
  const deadline = Date.now() + milliseconds;
  for (;;) {
    const message = (await socket.next(Math.max(1, deadline - Date.now()))) as ControlMessage;
    if (message.return === id) return;
  }
}

async function ask(socket: JsonLineSocket, execute: string, options: object): Promise<unknown> {
  socket.send({ execute, arguments: options });
  const message = (await socket.next(ANSWER_MS)) as ControlMessage;
  if (message.error) throw new Error(`the guest refused ${execute}: ${message.error.desc}`);
  return message.return;
}
