import net from 'node:net';
import { once } from 'node:events';

/** A way between an agent and the server that can be cut as an isolation cuts it: packets vanish, nothing is closed. */
export class CuttablePath {
  private readonly server: net.Server;
  private readonly pairs = new Set<[net.Socket, net.Socket]>();
  private isCut = false;

  private constructor(private readonly target: URL) {
    this.server = net.createServer((near) => this.join(near));
  }

  static async to(url: string): Promise<CuttablePath> {
    const path = new CuttablePath(new URL(url));
    path.server.listen(0, '127.0.0.1');
    await once(path.server, 'listening');
    return path;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as net.AddressInfo).port}`;
  }

  cut(): void {
    this.isCut = true;
    for (const [near, far] of this.pairs) for (const socket of [near, far]) socket.unpipe().pause();
  }

  /** New connections get through; those that were cut stay silent, as their packets were lost. */
  mend(): void {
    this.isCut = false;
  }

  async close(): Promise<void> {
    for (const [near, far] of this.pairs) for (const socket of [near, far]) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private join(near: net.Socket): void {
    const far = net.connect(Number(this.target.port), this.target.hostname);
    const pair: [net.Socket, net.Socket] = [near, far];
    this.pairs.add(pair);
    for (const [from, to] of [pair, [far, near] as const]) {
      from.on('error', () => undefined);
      from.on('close', () => {
        this.pairs.delete(pair);
        if (!this.isCut) to.destroy();
      });
      if (this.isCut) from.pause();
      else from.pipe(to);
    }
  }
}
