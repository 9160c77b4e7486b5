import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';

/**
 * The far end of a guest's serial port: QEMU's socket and the runner behind it, speaking the channel's protocol.
 * Scripts run in this machine's shell. It keeps every line that the host sent.
 */
export class FakeGuest {
  readonly received: string[] = [];
  readonly socketPath: string;
  private readonly server: net.Server;
  private readonly running = new Map<string, ChildProcess>();
  private connection: net.Socket | undefined;
  private unsent: string[] = [];
  private scriptOf: { id: string; lines: string[] } | undefined;
  /** Ends a script itself after the time-out of RUN, as a runner may; the exit code is that of `timeout`. */
  endsScriptsItself = false;
  /** A guest that still boots hears nothing. */
  booted = true;

  constructor(private readonly folder: string) {
    this.socketPath = path.join(folder, 'serial.sock');
    this.server = net.createServer((connection) => {
      this.connection = connection;
      let rest = '';
      connection.on('data', (chunk) => {
        const lines = (rest + chunk.toString('latin1')).split('\n');
        rest = lines.pop() ?? '';
        if (!this.booted) return;
        for (const line of lines) {
          this.received.push(line);
          this.hear(line);
        }
      });
      connection.on('error', () => undefined);
      for (const line of this.unsent.splice(0)) connection.write(line);
    });
  }

  async listen(): Promise<void> {
    this.server.listen(this.socketPath);
    await once(this.server, 'listening');
  }

  /** Cuts the connection, as when QEMU's socket is reset. */
  drop(): void {
    this.connection?.destroy();
    this.connection = undefined;
  }

  /** Writes a line; without a connection it waits for the next one. */
  say(line: string): void {
    const text = `${line}\r\n`;
    if (this.connection === undefined) this.unsent.push(text);
    else this.connection.write(text);
  }

  ready(): void {
    this.say(`READY ${Buffer.from('Fake Linux|7|guest-1|10.0.2.15').toString('base64')}`);
  }

  async close(): Promise<void> {
    for (const child of this.running.values()) killGroup(child);
    this.connection?.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private hear(line: string): void {
    if (this.scriptOf !== undefined) {
      if (line !== '.') {
        this.scriptOf.lines.push(line);
        return;
      }
      const { id, lines } = this.scriptOf;
      this.scriptOf = undefined;
      void this.start(id, Buffer.from(lines.join(''), 'base64'));
      return;
    }
    const [word, id = '', seconds = ''] = line.split(' ');
    if (word === 'HELLO') this.ready();
    if (word === 'KILL') killGroup(this.running.get(id));
    if (word === 'RUN') {
      this.scriptOf = { id, lines: [] };
      if (this.endsScriptsItself) setTimeout(() => killGroup(this.running.get(id)), Number(seconds) * 1000 - 200);
    }
  }

  private async start(id: string, script: Buffer): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    const file = path.join(this.folder, `${id}.sh`);
    await writeFile(file, script, { mode: 0o700 });
    const child = spawn(file, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.running.set(id, child);
    this.say('[   12.345678] random: crng init done');
    child.stdout.on('data', (chunk: Buffer) => this.output('OUT', id, chunk));
    child.stderr.on('data', (chunk: Buffer) => this.output('ERR', id, chunk));
    child.on('close', (code) => {
      this.running.delete(id);
      this.say(`EXIT ${id} ${code ?? 137}`);
    });
  }

  private output(word: string, id: string, chunk: Buffer): void {
    // Cut in odd places, so that characters of several bytes come in pieces.
    for (let start = 0; start < chunk.length; start += 1001) {
      this.say(`${word} ${id} ${chunk.subarray(start, start + 1001).toString('base64')}`);
    }
  }
}

function killGroup(child: ChildProcess | undefined): void {
  if (child?.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // ended by itself
  }
}
