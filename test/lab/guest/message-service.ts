import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type AgentMessage, type ReplyPayload, type StepResult } from '../../../lab/ssm/messages';

export interface Upload {
  size: number;
  sha256: string;
  expect: string | undefined;
}

const INSTANCE = 'i-0123456789abcdef0';
const EMPTY_POLL_MS = 2000;

/**
 * Stands for the two endpoints of a lab: SSM's message service, which gives an agent scripts to run, and an object store that keeps
 * uploads as files. It listens on a port of the loopback interface.
 */
export class MessageService {
  readonly registrations: Record<string, string>[] = [];
  readonly uploads = new Map<string, Upload>();
  /** What GET of a name answers; else "a small answer". */
  readonly downloads = new Map<string, string>();
  /** Requests for messages that wait for one: each takes the next message, also when its agent is gone meanwhile. */
  polls = 0;
  private readonly queue: AgentMessage[] = [];
  private readonly results = new Map<string, (result: StepResult) => void>();
  private readonly server: Server;

  constructor(private readonly folder: string) {
    this.server = createServer((request, response) => {
      this.answer(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** Has the agent run a shell script; it may take its time to ask for it. */
  run(script: string): Promise<StepResult> {
    const commandId = randomUUID();
    const Payload = JSON.stringify({
      CommandId: commandId,
      DocumentName: 'AWS-RunShellScript',
      DocumentContent: {
        schemaVersion: '2.2',
        description: 'a script of the test',
        mainSteps: [
          {
            action: 'aws:runShellScript',
            name: 'script',
            inputs: { timeoutSeconds: '300', runCommand: script.split('\n') },
          },
        ],
      },
      Parameters: {},
    });
    this.queue.push({
      MessageId: `aws.ssm.${commandId}.${INSTANCE}`,
      Topic: 'aws.ssm.sendCommand.us-east-1.AWS-RunShellScript',
      Destination: INSTANCE,
      CreatedDate: new Date().toISOString(),
      Payload,
      PayloadDigest: createHash('sha256').update(Payload).digest('hex'),
    });
    return new Promise((resolve) => this.results.set(commandId, resolve));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = request.headers['x-amz-target'];
    if (typeof target === 'string') {
      const body = JSON.parse(await textOf(request)) as Record<string, string>;
      response.end(JSON.stringify(await this.messageOperation(target.split('.')[1] ?? '', body)));
      return;
    }
    const name = path.basename(request.url ?? '');
    if (request.method === 'GET') {
      const file = this.downloads.get(name);
      response.end(file === undefined ? 'a small answer\n' : readFileSync(file));
      return;
    }
    const hash = createHash('sha256');
    let size = 0;
    request.on('data', (data: Buffer) => {
      hash.update(data);
      size += data.length;
    });
    await pipeline(request, createWriteStream(path.join(this.folder, name)));
    this.uploads.set(name, { size, sha256: hash.digest('hex'), expect: request.headers.expect });
    response.end();
  }

  private async messageOperation(operation: string, body: Record<string, string>): Promise<object> {
    if (operation === 'UpdateInstanceInformation') this.registrations.push(body);
    if (operation === 'GetMessages') {
      this.polls += 1;
      const deadline = Date.now() + EMPTY_POLL_MS;
      while (this.queue.length === 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
      this.polls -= 1;
      return { Messages: this.queue.splice(0, 1) };
    }
    if (operation === 'SendReply') {
      const { runtimeStatus } = JSON.parse(body.Payload ?? '') as ReplyPayload;
      const [result] = Object.values(runtimeStatus ?? {});
      if (result) this.results.get(body.MessageId?.split('.')[2] ?? '')?.(result);
    }
    return {};
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}
