import http, { type IncomingMessage } from 'node:http';
import type { AccountActions } from './account-actions';
import { AwsError } from './aws-error';
import { outputKeyPrefix } from './messages';
import type { RunCommandParts } from './send-command';

const STREAMS: ReadonlySet<string> = new Set(['stdout', 'stderr']);
const ANSWER_WITHIN_MS = 60_000;

/**
 * Takes the output of a step from an agent (messages.outputPath) and streams it into the bucket of its command. On AWS
 * the agent itself puts it there; the lab's agent reaches no other server than this one.
 * @throws AwsError of a command without output, and of S3's refusal.
 */
export async function storeOutput(
  parts: RunCommandParts,
  accounts: AccountActions,
  request: IncomingMessage,
): Promise<void> {
  const [, , commandId = '', instanceId = '', plugin = '', step = '', stream = ''] = (request.url ?? '')
    .split('/')
    .map(decodeURIComponent);
  const command = parts.commands.record(commandId);
  const output = command?.invocations.has(instanceId) === true ? command.output : undefined;
  const known = command?.content.mainSteps.some(({ name }) => name === step) === true;
  if (command === undefined || output === undefined || !known || !/^\w+$/.test(plugin) || !STREAMS.has(stream)) {
    throw new AwsError('InvalidOutputLocation', `Command ${commandId} keeps no output of ${plugin} ${step} ${stream}.`);
  }
  const size = Number(request.headers['content-length']);
  if (!Number.isInteger(size)) throw new AwsError('MissingContentLength', 'The size of the output is not given.', 411);
  const key = `${outputKeyPrefix(output.prefix, commandId, instanceId, plugin)}/${step}/${stream}`;
  const url = await accounts.putUrl(command.accountId, command.region, output.bucket, key);
  const { status, body } = await put(url, size, request);
  if (status !== 200) throw new AwsError('InvalidOutputLocation', `${output.bucket}/${key}: ${status}, ${body}`);
}

function put(url: string, size: number, source: IncomingMessage): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, {
      method: 'PUT',
      headers: { 'content-length': size },
      timeout: ANSWER_WITHIN_MS,
    });
    request.on('timeout', () => request.destroy(new Error(`nothing for ${ANSWER_WITHIN_MS / 1000} s`)));
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 502, body: Buffer.concat(chunks).toString().slice(0, 500) }),
      );
    });
    source.on('error', (error) => request.destroy(error));
    source.pipe(request);
  });
}
