import net from 'node:net';

/** A connection over a Unix socket on which both sides send one JSON object a line. */
export class JsonLineSocket {
  private readonly waiting: { resolve: (message: unknown) => void; reject: (error: Error) => void }[] = [];
  private readonly arrived: unknown[] = [];
  private rest = '';
  private broken: Error | undefined;

  private constructor(
    private readonly socket: net.Socket,
    private readonly name: string,
  ) {
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => this.receive(chunk));
    socket.on('error', () => undefined); // 'close' follows
    socket.on('close', () => this.fail(new Error(`${name} closed the connection`)));
  }

  /** @throws Error nobody listens at the path */
  static connect(path: string, name: string): Promise<JsonLineSocket> {
    return new Promise((resolve, reject) => {
      const socket = net.connect(path);
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.removeListener('error', reject);
        resolve(new JsonLineSocket(socket, name));
      });
    });
  }

  /** `prefix` goes before the line, for protocols that have a mark to begin anew. */
  send(message: object, prefix: Buffer | string = ''): void {
    this.socket.write(Buffer.concat([Buffer.from(prefix), Buffer.from(`${JSON.stringify(message)}\n`)]));
  }

  /** @throws Error the connection is lost, or nothing came in time */
  next(milliseconds: number): Promise<unknown> {
    if (this.arrived.length > 0) return Promise.resolve(this.arrived.shift());
    if (this.broken) return Promise.reject(this.broken);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.splice(this.waiting.indexOf(waiter), 1);
        reject(new Error(`${this.name} did not answer within ${milliseconds / 1000} s`));
      }, milliseconds);
      const settled =
        <T>(settle: (value: T) => void) =>
        (value: T): void => {
          clearTimeout(timer);
          settle(value);
        };
      const waiter = { resolve: settled(resolve), reject: settled(reject) };
      this.waiting.push(waiter);
    });
  }

  close(): void {
    this.socket.destroy();
  }

  private receive(chunk: string): void {
    const lines = (this.rest + chunk).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) {
      const message = parsed(line);
      if (message === undefined) continue;
      const waiter = this.waiting.shift();
      if (waiter) waiter.resolve(message);
      else this.arrived.push(message);
    }
  }

  private fail(error: Error): void {
    this.broken = error;
    for (const waiter of this.waiting.splice(0)) waiter.reject(error);
  }
}

/** undefined for what is no JSON: a serial port also carries noise. */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line.replace(/^[^{]*/, ''));
  } catch {
    return undefined;
  }
}
