import { randomUUID } from 'node:crypto';
import net from 'node:net';
import { LineReader, parseRunnerLine, runLines, type RunnerMessage, selfContainedScript } from './channel-protocol';
import { type Executor, KILLED_EXIT_CODE, type ScriptResult, type ScriptRun } from './executor';
import { OutputCapture } from './output-capture';

export interface ChannelOptions {
  /** Path of the Unix socket that QEMU binds to the guest's serial port. */
  socketPath: string;
  /** How long a guest may take to boot until its runner answers. Default 120 s. */
  readyWithinSeconds?: number;
  /** Pause before the socket is tried again, and between HELLOs that nobody answered. Default 1 s. */
  retrySeconds?: number;
}

type Platform = Awaited<ReturnType<Executor['platform']>>;

interface PendingRun {
  stdout: OutputCapture;
  stderr: OutputCapture;
  exited: (exitCode: number) => void;
  /** Ends the run without waiting for the guest. */
  abandon: () => void;
}

interface ReadyWaiter {
  resolve: (platform: Platform) => void;
  reject: (error: Error) => void;
}

/** After KILL a runner has this long to send the rest of the output and EXIT. */
const EXIT_AFTER_KILL_MS = 5_000;
/** Exit codes by which a runner shows that it ended a script itself: `timeout` (124), SIGKILL, SIGTERM. */
const ENDED_BY_RUNNER = new Set([124, KILLED_EXIT_CODE, 143]);

/** Runs scripts in a guest, through the runner at the other end of a serial port. */
export class ChannelExecutor implements Executor {
  private readonly readyWithinMs: number;
  private readonly retryMs: number;
  private readonly pending = new Map<string, PendingRun>();
  private readonly lines = new LineReader();
  private readonly waitingForReady = new Set<ReadyWaiter>();
  /** Ids must not meet those of an agent that ran before, whose scripts may still be at work. */
  private readonly idPrefix = randomUUID().slice(0, 8);
  private runs = 0;
  private socket: net.Socket | undefined;
  private known: Platform | undefined;
  private greeting: NodeJS.Timeout | undefined;
  private reconnecting: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(private readonly options: ChannelOptions) {
    this.readyWithinMs = (options.readyWithinSeconds ?? 120) * 1000;
    this.retryMs = (options.retrySeconds ?? 1) * 1000;
    this.connect();
  }

  /** @throws Error if no runner answers in time. */
  async platform(): Promise<Platform> {
    return await this.ready();
  }

  /** @throws Error if no runner answers in time. A lost connection does not end a run: its time-out does. */
  async run(run: ScriptRun): Promise<ScriptResult> {
    const script = selfContainedScript(run.script, run.environment, run.workingDirectory);
    await this.ready();
    this.runs += 1;
    const id = `${this.idPrefix}-${this.runs}`;
    const stdout = new OutputCapture();
    const stderr = new OutputCapture();
    const startedAt = Date.now();
    return await new Promise<ScriptResult>((resolve) => {
      let ended: ScriptResult['ended'] = 'exit';
      let giveUp: NodeJS.Timeout | undefined;
      const kill = (why: 'timeout' | 'cancel'): void => {
        if (ended !== 'exit') return;
        ended = why;
        this.send(`KILL ${id}\n`);
        giveUp = setTimeout(() => exited(KILLED_EXIT_CODE), EXIT_AFTER_KILL_MS);
      };
      const timer = setTimeout(() => kill('timeout'), run.timeoutSeconds * 1000);
      const onStop = (): void => kill('cancel');
      const exited = (exitCode: number): void => {
        clearTimeout(timer);
        clearTimeout(giveUp);
        run.stop.removeEventListener('abort', onStop);
        this.pending.delete(id);
        // The runner's clock may be a little ahead of this one, so that it ended the script before KILL went out.
        const atTimeout = Date.now() - startedAt >= (run.timeoutSeconds - 1) * 1000;
        if (ended === 'exit' && atTimeout && ENDED_BY_RUNNER.has(exitCode)) ended = 'timeout';
        resolve({ exitCode, stdout: stdout.text(), stderr: stderr.text(), ended });
      };
      const abandon = (): void => {
        kill('cancel');
        exited(KILLED_EXIT_CODE);
      };
      this.pending.set(id, { stdout, stderr, exited, abandon });
      this.send(runLines(id, run.timeoutSeconds, script));
      run.stop.addEventListener('abort', onStop);
      if (run.stop.aborted) onStop();
    });
  }

  /** Ends every script in the guest and leaves the channel. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.greeting);
    clearTimeout(this.reconnecting);
    for (const run of [...this.pending.values()]) run.abandon();
    for (const waiter of [...this.waitingForReady]) waiter.reject(new Error('The channel is closed'));
    const socket = this.socket;
    if (socket === undefined || socket.destroyed) return;
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
      // Let the last lines out, but do not wait for a guest that no longer reads.
      socket.end(() => socket.destroy());
      setTimeout(() => socket.destroy(), 500).unref();
    });
  }

  private connect(): void {
    if (this.closed) return;
    const socket = net.connect(this.options.socketPath);
    this.socket = socket;
    this.known = undefined;
    this.lines.clear();
    socket.on('connect', () => this.greet());
    socket.on('data', (chunk) => {
      for (const line of this.lines.add(chunk)) {
        const message = parseRunnerLine(line);
        if (message !== undefined) this.handle(message);
      }
    });
    socket.on('error', () => undefined); // 'close' follows
    socket.on('close', () => {
      this.known = undefined;
      clearTimeout(this.greeting);
      if (!this.closed) this.reconnecting = setTimeout(() => this.connect(), this.retryMs);
    });
  }

  /** A guest that still boots loses what it is sent, so HELLO is said until it is answered. */
  private greet(): void {
    if (this.closed || this.known !== undefined) return;
    this.send('HELLO\n');
    clearTimeout(this.greeting);
    this.greeting = setTimeout(() => this.greet(), this.retryMs);
  }

  private handle(message: RunnerMessage): void {
    switch (message.kind) {
      case 'ready':
        this.known = message.platform;
        clearTimeout(this.greeting);
        for (const waiter of [...this.waitingForReady]) waiter.resolve(message.platform);
        return;
      case 'output':
        this.pending.get(message.id)?.[message.stream].add(message.bytes);
        return;
      case 'exit':
        this.pending.get(message.id)?.exited(message.code);
    }
  }

  private async ready(): Promise<Platform> {
    if (this.known !== undefined) return this.known;
    if (this.closed) throw new Error('The channel is closed');
    const { socketPath } = this.options;
    return await new Promise<Platform>((resolve, reject) => {
      const settled = (): void => {
        clearTimeout(timer);
        this.waitingForReady.delete(waiter);
      };
      const waiter: ReadyWaiter = {
        resolve: (platform) => {
          settled();
          resolve(platform);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      };
      const timer = setTimeout(() => {
        const waited = this.readyWithinMs / 1000;
        waiter.reject(new Error(`No runner answered on ${socketPath} within ${waited} s: see whether the guest boots`));
      }, this.readyWithinMs);
      this.waitingForReady.add(waiter);
    });
  }

  private send(text: string): void {
    if (this.socket !== undefined && !this.socket.destroyed && this.socket.writable) this.socket.write(text);
  }
}
