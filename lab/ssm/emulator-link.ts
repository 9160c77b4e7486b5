import http, { type IncomingHttpHeaders } from 'node:http';
import { AwsError } from './aws-error';
import { isJsonObject, type JsonObject, type RawRequest } from './request';
import type { DocumentContent } from './documents';

/** What the emulator answered, byte for byte. */
export interface RawAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** An SSM document as the emulator keeps it. */
export interface StoredDocument {
  version: string;
  content: DocumentContent;
  /** SHA-256 of the content as it was registered, hexadecimal; undefined if the emulator does not tell. */
  sha256: string | undefined;
  sha1: string | undefined;
}

/** An EC2 instance as Run Command needs to know it. */
export interface InstanceFacts {
  accountId: string;
  region: string;
  instanceId: string;
  state: string;
  tags: Record<string, string>;
}

/** Headers that belong to one connection and not to the request (RFC 9110, 7.6.1). */
const CONNECTION_HEADERS = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length']);
/** Instances change seldom and are asked for often. */
const INSTANCES_KEPT_MS = 1000;
const ANSWER_WITHIN_MS = 60_000;

/** The AWS emulator behind the SSM server: who a caller is, what a document says, whose an instance is. */
export class EmulatorLink {
  private readonly accountByKey = new Map<string, string>();
  private instancesRead: { at: number; answer: Promise<Map<string, InstanceFacts> | undefined> } | undefined;
  private readonly connections = new http.Agent({ keepAlive: true });

  constructor(private readonly awsUrl: string) {}

  /** Sends a request on as it came, with its own Host header, since the signature covers it. */
  async forward(request: RawRequest): Promise<RawAnswer> {
    return await this.exchange(request.method, request.path, request.headers, request.body);
  }

  /** The caller's account and Region from the signature's credential scope. */
  async caller(headers: IncomingHttpHeaders): Promise<{ accountId: string; region: string }> {
    const scope = /Credential=([^/]+)\/\d+\/([^/]+)\//.exec(headers.authorization ?? '');
    const [accessKeyId, region] = [scope?.[1], scope?.[2]];
    if (accessKeyId === undefined || region === undefined) {
      throw new AwsError('MissingAuthenticationToken', 'Request is missing Authentication Token');
    }
    let accountId = this.accountByKey.get(accessKeyId);
    if (accountId === undefined) {
      const answer = await this.read(`/moto-api/lab/account?${new URLSearchParams({ akid: accessKeyId }).toString()}`);
      if (!isJsonObject(answer) || typeof answer.Account !== 'string') {
        throw new AwsError('InternalServerError', `The AWS emulator did not tell the account of a caller`, 500);
      }
      accountId = answer.Account;
      this.accountByKey.set(accessKeyId, accountId);
    }
    return { accountId, region };
  }

  /**
   * A document that the account may use, by name or by the ARN of one that is shared with it.
   * @returns undefined if there is no such document or version.
   */
  async document(
    accountId: string,
    region: string,
    name: string,
    version: string | undefined,
  ): Promise<StoredDocument | undefined> {
    const query = new URLSearchParams({ account: accountId, region, name });
    if (version !== undefined && version !== '$DEFAULT') query.set('version', version);
    const answer = await this.read(`/moto-api/lab/document?${query.toString()}`);
    if (!isJsonObject(answer) || !isJsonObject(answer.Content)) return undefined;
    if (typeof answer.DocumentType === 'string' && answer.DocumentType !== 'Command') {
      throw new AwsError('InvalidDocument', `Document ${name} is of type ${answer.DocumentType}, not Command.`);
    }
    return {
      version: String(answer.DocumentVersion),
      content: documentContent(answer.Content, name),
      sha256: typeof answer.Hash === 'string' ? answer.Hash : undefined,
      sha1: typeof answer.Sha1 === 'string' ? answer.Sha1 : undefined,
    };
  }

  /** Whether any account has the bucket: the names of buckets are shared by all. */
  async hasBucket(name: string): Promise<boolean> {
    return (await this.read(`/moto-api/lab/bucket?${new URLSearchParams({ name }).toString()}`)) !== undefined;
  }

  /** A call whose answer is held was carried out: resolves when the answer may go. */
  async awaitHeldAnswer(number: string): Promise<void> {
    await this.read(`/moto-api/lab/held-answer?${new URLSearchParams({ number }).toString()}`);
  }

  /** The faults that the emulator is told to inject; none if it knows no faults. */
  async faults(): Promise<JsonObject[]> {
    const answer = await this.read('/moto-api/lab/faults');
    return Array.isArray(answer) ? answer.filter(isJsonObject) : [];
  }

  /** All accounts' instances by id; undefined if the emulator does not list them. Kept for a second. */
  async instances(): Promise<Map<string, InstanceFacts> | undefined> {
    const now = Date.now();
    if (this.instancesRead === undefined || now - this.instancesRead.at > INSTANCES_KEPT_MS) {
      this.instancesRead = { at: now, answer: this.readInstances() };
    }
    try {
      return await this.instancesRead.answer;
    } catch (error) {
      this.instancesRead = undefined;
      throw error;
    }
  }

  /** The next question about instances goes to the emulator. */
  forgetInstances(): void {
    this.instancesRead = undefined;
  }

  close(): void {
    this.connections.destroy();
  }

  private async readInstances(): Promise<Map<string, InstanceFacts> | undefined> {
    const answer = await this.read('/moto-api/lab/instances');
    if (!Array.isArray(answer)) return undefined;
    const facts = answer.filter(isJsonObject).map((instance): InstanceFacts => ({
      accountId: String(instance.accountId),
      region: String(instance.region),
      instanceId: String(instance.instanceId),
      state: String(instance.state),
      tags: isJsonObject(instance.tags)
        ? Object.fromEntries(Object.entries(instance.tags).map(([key, value]) => [key, String(value)]))
        : {},
    }));
    return new Map(facts.map((instance) => [instance.instanceId, instance]));
  }

  /** JSON of one of the emulator's own pages; undefined if there is no such page or thing (404). */
  private async read(path: string): Promise<unknown> {
    const answer = await this.exchange('GET', path, {}, Buffer.alloc(0));
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) {
      throw new AwsError('InternalServerError', `The AWS emulator answered ${answer.status} to GET ${path}`, 500);
    }
    return JSON.parse(answer.body.toString()) as unknown;
  }

  private exchange(method: string, path: string, headers: IncomingHttpHeaders, body: Buffer): Promise<RawAnswer> {
    const kept = Object.entries(headers).filter(([name]) => !CONNECTION_HEADERS.has(name));
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        const reason = `The AWS emulator at ${this.awsUrl} does not answer (${error.message}): see whether it runs`;
        reject(new AwsError('InternalServerError', reason, 500));
      };
      const request = http.request(new URL(path, this.awsUrl), {
        method,
        agent: this.connections,
        headers: { ...Object.fromEntries(kept), 'content-length': body.length },
        timeout: ANSWER_WITHIN_MS,
      });
      request.on('timeout', () => request.destroy(new Error(`nothing for ${ANSWER_WITHIN_MS / 1000} s`)));
      request.on('error', fail);
      request.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', fail);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 502, headers: response.headers, body: Buffer.concat(chunks) }),
        );
      });
      request.end(body);
    });
  }
}

function documentContent(content: JsonObject, name: string): DocumentContent {
  if (!Array.isArray(content.mainSteps) || !content.mainSteps.every(isJsonObject)) {
    throw new AwsError(
      'InvalidDocument',
      `Document ${name} has no mainSteps: Run Command takes schemaVersion 2.x only.`,
    );
  }
  return content as unknown as DocumentContent;
}

/** Headers of an emulator's answer that go on to the caller. */
export function answerHeaders(answer: RawAnswer): Record<string, string | string[]> {
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(answer.headers)) {
    if (value !== undefined && !CONNECTION_HEADERS.has(name)) kept[name] = value;
  }
  return kept;
}
