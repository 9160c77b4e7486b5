import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import readline from 'node:readline';

import { forgetProcess, killGroup, recordProcess } from '../instances/process-ledger';
import { BEACON_ADDRESS } from './internet';

export interface NetworkServicesOptions {
  /** A Python 3 without further packages. */
  python: string;
  /** host:port of the emulator and of the SSM server on this machine's loopback address. */
  aws: string;
  ssm: string;
  internetNamespace: string;
  stateFolder: string;
  log: (message: string) => void;
}

export interface VpcServices {
  namespace: string;
  resolvers: string[];
  ssm: string;
  proxy: string;
}

interface Answer {
  id: number;
  error?: string;
}

const ANSWER_SECONDS = 30;

export function networkFolder(stateFolder: string): string {
  return path.join(stateFolder, 'network');
}

/** The process that serves resolvers, endpoints and the beacon (services/serve.py). */
export class NetworkServices {
  private readonly waiting = new Map<number, (answer: Answer) => void>();
  private lastId = 0;
  private stopping = false;
  private over: string | undefined;

  private constructor(
    private readonly child: ChildProcess & { stdin: NodeJS.WritableStream; stdout: NodeJS.ReadableStream },
    private readonly pid: number,
    private readonly ended: Promise<void>,
    private readonly options: NetworkServicesOptions,
  ) {
    readline.createInterface({ input: child.stdout }).on('line', (line) => {
      const answer = JSON.parse(line) as Answer;
      this.waiting.get(answer.id)?.(answer);
    });
    child.stdin.on('error', () => undefined);
    void ended.then(() => {
      this.over = `the process of the lab's network services ended; see logs/network.log`;
      if (!this.stopping) this.options.log(this.over);
      for (const answer of [...this.waiting.values()]) answer({ id: 0, error: this.over });
    });
  }

  static async start(options: NetworkServicesOptions): Promise<NetworkServices> {
    const { python, aws, ssm, internetNamespace, stateFolder } = options;
    const folder = networkFolder(stateFolder);
    await fs.mkdir(folder, { recursive: true });
    await fs.mkdir(path.join(stateFolder, 'logs'), { recursive: true });
    const log = await fs.open(path.join(stateFolder, 'logs', 'network.log'), 'a');
    const script = path.join(__dirname, 'services', 'serve.py');
    const settings = ['--aws', aws, '--ssm', ssm, '--internet', internetNamespace, '--beacon', BEACON_ADDRESS];
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', python, '-B', script, ...settings, '--folder', folder], {
      detached: true,
      stdio: ['pipe', 'pipe', log.fd],
      cwd: '/',
    });
    const ended = new Promise<void>((resolve) => {
      child.once('error', () => resolve());
      child.once('exit', () => resolve());
    });
    await log.close();
    const { pid, stdin, stdout } = child;
    if (pid === undefined || !stdin || !stdout) throw new Error('setpriv (package util-linux) does not start');
    await recordProcess(stateFolder, pid, 'services of the network');
    const services = new NetworkServices(Object.assign(child, { stdin, stdout }), pid, ended, options);
    try {
      // It says so by itself when it listens.
      await services.answered(0);
    } catch (error) {
      await services.stop();
      throw error;
    }
    return services;
  }

  open(vpcId: string, services: VpcServices): Promise<void> {
    return this.order({ do: 'open', vpc: vpcId, ...services });
  }

  /** Puts these names in place of all that the VPC's resolver knew. */
  name(vpcId: string, names: Record<string, string>): Promise<void> {
    return this.order({ do: 'name', vpc: vpcId, names });
  }

  /** Nothing happens when it is not open, or when all is over. */
  async close(vpcId: string): Promise<void> {
    if (this.over === undefined) await this.order({ do: 'close', vpc: vpcId });
  }

  /** Why nothing is served any more; undefined while all is well. */
  problem(): string | undefined {
    return this.over;
  }

  async stop(): Promise<void> {
    this.stopping = true;
    killGroup(this.pid);
    await this.ended;
    await forgetProcess(this.options.stateFolder, this.pid);
  }

  private async order(what: object): Promise<void> {
    this.lastId += 1;
    const answered = this.answered(this.lastId);
    this.child.stdin.write(`${JSON.stringify({ id: this.lastId, ...what })}\n`);
    await answered;
  }

  private answered(id: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (answer: Answer): void => {
        clearTimeout(timer);
        this.waiting.delete(id);
        if (answer.error === undefined) resolve();
        else reject(new Error(`network services: ${answer.error}`));
      };
      const timer = setTimeout(
        () => settle({ id, error: `no answer within ${ANSWER_SECONDS} s` }),
        ANSWER_SECONDS * 1000,
      );
      if (this.over !== undefined) settle({ id, error: this.over });
      else this.waiting.set(id, settle);
    });
  }
}
