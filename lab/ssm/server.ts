import { randomUUID } from 'node:crypto';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AccountActions } from './account-actions';
import { admit } from './admission';
import * as agentSide from './agent-operations';
import { AgentRegistry, type AgentSession, type AgentView } from './agent-registry';
import { AwsError } from './aws-error';
import { CommandFlow } from './command-flow';
import { CommandStore } from './commands';
import { answerHeaders, EmulatorLink } from './emulator-link';
import { describeInstanceInformation } from './instance-information';
import { type InProcessAgents, inProcessAgents } from './in-process-agents';
import { MessageQueue } from './message-queue';
import { AGENT_SESSION_HEADER, MESSAGE_SERVICE, SSM_SERVICE } from './messages';
import { Notifications } from './notifications';
import { storeOutput } from './output-store';
import { isJsonObject, type JsonObject, type RawRequest, RequestBody } from './request';
import { cancelCommand, getCommandInvocation, listCommandInvocations, listCommands } from './run-command';
import { type Caller, type RunCommandParts, sendCommand } from './send-command';

export type { AgentView } from './agent-registry';
export type { InProcessAgents } from './in-process-agents';

export interface SsmServerOptions {
  /** 0 takes any free port. */
  port: number;
  /** Loopback by default. */
  host?: string;
  /** Where the AWS emulator listens; it answers what this server does not. */
  awsUrl: string;
  /** How long GetMessages waits for a message. The real service holds a poll about as long. Default 20. */
  longPollSeconds?: number;
  /** PingStatus turns ConnectionLost when an agent has been silent this long. Default 120: an agent polls every 20. */
  connectionLostSeconds?: number;
  /** GetCommandInvocation answers InvocationDoesNotExist this long after SendCommand, as AWS may. Default 0. */
  invocationVisibleAfterSeconds?: number;
  /** Milliseconds since the epoch; tests let it jump to see time-outs. */
  clock?: () => number;
  /** What could not be done in the background (an SNS topic that takes no message). */
  log?: (line: string) => void;
}

export interface SsmServer {
  url: string;
  agents(): AgentView[];
  /** Agents that live in this process: paper instances. */
  inProcess: InProcessAgents;
  /** Drops an agent and what waits for it, as when its instance is gone. */
  forget(instanceId: string): void;
  stop(): Promise<void>;
}

type Operation = (
  caller: Caller,
  body: RequestBody,
  admitted: JsonObject | undefined,
) => JsonObject | Promise<JsonObject>;
type AgentOperation = (
  caller: agentSide.AgentCaller,
  body: RequestBody,
  gone: AbortSignal,
) => JsonObject | Promise<JsonObject>;

/** How often commands that nobody asks about are looked at: their time-outs, and who comes next. */
const COMMANDS_EVERY_MS = 1000;

/**
 * Run Command on one side (the AWS SDK), the agents' message service `ec2messages` on the other. Every other request
 * passes to the AWS emulator unchanged, and so does its answer. Commands and agents are kept in memory only: they end
 * with the server, as the emulator's own state does.
 *
 * @throws Error if the port is taken.
 */
export async function startSsmServer(options: SsmServerOptions): Promise<SsmServer> {
  const host = options.host ?? '127.0.0.1';
  const clock = options.clock ?? Date.now;
  const emulator = new EmulatorLink(options.awsUrl);
  const queue = new MessageQueue(clock);
  const agents = new AgentRegistry(emulator, clock, (options.connectionLostSeconds ?? 120) * 1000);
  const accounts = new AccountActions(options.awsUrl);
  const notifications = new Notifications(async (command, topicArn, message) => {
    await accounts.publish(command.accountId, command.region, topicArn, message).catch((error: unknown) => {
      options.log?.(`Notification of command ${command.id}: ${String(error)}`);
    });
  }, clock);
  const flow = new CommandFlow(queue, notifications, clock);
  const commands = new CommandStore((command) => flow.advance(command));
  const parts: RunCommandParts = { emulator, agents, commands, flow, queue, clock };
  const watching = setInterval(() => flow.advanceAll(), COMMANDS_EVERY_MS).unref();
  const callers = callerOperations(parts, (options.invocationVisibleAfterSeconds ?? 0) * 1000);
  const agentOperations = agentOperationsOf(parts, (options.longPollSeconds ?? 20) * 1000, () => url);

  const server = http.createServer((request, response) => {
    void respond(request, response);
  });
  server.keepAliveTimeout = 65_000;

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    try {
      if (request.method === 'PUT' && request.url?.startsWith('/agent-output/') === true) {
        await storeOutput(parts, accounts, request);
        answer(response, 200, {});
        return;
      }
      await route(await rawRequest(request), response, gone.signal);
    } catch (error) {
      const known = error instanceof AwsError ? error : new AwsError('InternalServerError', String(error), 500);
      answer(response, known.httpStatus, { __type: known.code, message: known.message });
    }
  }

  async function route(request: RawRequest, response: ServerResponse, gone: AbortSignal): Promise<void> {
    const [service = '', name = ''] = String(request.headers['x-amz-target'] ?? '').split('.');
    const forAgent = agentOperations.get(`${service}.${name}`);
    if (forAgent !== undefined) {
      const caller = { ...(await emulator.caller(request.headers)), session: sessionOf(request) };
      answer(response, 200, await forAgent(caller, RequestBody.parse(request.body.toString()), gone));
      return;
    }
    const forCaller = service === SSM_SERVICE ? callers.get(name) : undefined;
    if (forCaller !== undefined) {
      const body = RequestBody.parse(request.body.toString());
      const { content, lostAnswer, heldAnswer } = await admit(emulator, name, request);
      const result = await forCaller(await emulator.caller(request.headers), body, content);
      if (heldAnswer !== undefined) await emulator.awaitHeldAnswer(heldAnswer);
      if (lostAnswer !== undefined) throw lostAnswer;
      answer(response, 200, result);
      return;
    }
    if (service === MESSAGE_SERVICE) throw new AwsError('UnknownOperationException', `${name} is not an operation.`);
    const passed = await emulator.forward(request);
    response.writeHead(passed.status, answerHeaders(passed)).end(passed.body);
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new Error(`The SSM server cannot listen on ${host}:${options.port}: ${error.message}`)),
    );
    server.listen(options.port, host, resolve);
  });
  const url = `http://${host}:${(server.address() as AddressInfo).port}`;
  return {
    url,
    agents: () => agents.views(),
    inProcess: inProcessAgents(parts, agents),
    forget: (instanceId) => {
      agents.forget(instanceId);
      queue.forget(instanceId);
    },
    stop: async () => {
      clearInterval(watching);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      queue.close();
      emulator.close();
      accounts.close();
      await closed;
    },
  };
}

/** Operations of the SSM API that this server answers. */
function callerOperations(parts: RunCommandParts, visibleAfterMs: number): Map<string, Operation> {
  return new Map<string, Operation>([
    ['SendCommand', (caller, body, admitted) => sendCommand(parts, caller, body, commandIdOf(admitted))],
    ['ListCommands', (caller, body) => listCommands(parts, caller, body)],
    ['ListCommandInvocations', (caller, body) => listCommandInvocations(parts, caller, body)],
    ['GetCommandInvocation', (caller, body) => getCommandInvocation(parts, caller, body, visibleAfterMs)],
    ['CancelCommand', (caller, body) => cancelCommand(parts, caller, body)],
    ['DescribeInstanceInformation', (caller, body) => describeInstanceInformation(parts, caller, body)],
  ]);
}

/**
 * Operations that agents call. The emulator has none of them; they carry an access key, by which the agent's account
 * is known, but their signature is not checked.
 */
function agentOperationsOf(parts: RunCommandParts, longPollMs: number, url: () => string): Map<string, AgentOperation> {
  const none = (): JsonObject => ({});
  return new Map<string, AgentOperation>([
    [
      `${SSM_SERVICE}.UpdateInstanceInformation`,
      (caller, body) => agentSide.updateInstanceInformation(parts, caller, body),
    ],
    // State Manager, inventory and compliance: the real agent asks for them; the lab has none.
    [`${SSM_SERVICE}.ListInstanceAssociations`, () => ({ Associations: [] })],
    [`${SSM_SERVICE}.PutInventory`, none],
    [`${SSM_SERVICE}.PutComplianceItems`, none],
    [`${SSM_SERVICE}.RequestManagedInstanceRoleToken`, none],
    [
      `${MESSAGE_SERVICE}.GetMessages`,
      (caller, body, gone) => agentSide.getMessages(parts, caller, body, longPollMs, gone),
    ],
    [`${MESSAGE_SERVICE}.AcknowledgeMessage`, (_, body) => agentSide.acknowledgeMessage(parts, body)],
    [`${MESSAGE_SERVICE}.DeleteMessage`, (_, body) => agentSide.deleteMessage(parts, body)],
    [`${MESSAGE_SERVICE}.FailMessage`, (_, body) => agentSide.failMessage(parts, body)],
    [`${MESSAGE_SERVICE}.SendReply`, (_, body) => agentSide.sendReply(parts, body)],
    [`${MESSAGE_SERVICE}.GetEndpoint`, () => ({ Endpoint: url() })],
  ]);
}

function sessionOf(request: RawRequest): AgentSession | undefined {
  const [, startedAt, id] = /^(\d+)\.(.+)$/.exec(String(request.headers[AGENT_SESSION_HEADER] ?? '')) ?? [];
  return startedAt === undefined || id === undefined ? undefined : { startedAt: Number(startedAt), id };
}

function commandIdOf(admitted: JsonObject | undefined): string | undefined {
  const command = admitted?.Command;
  return isJsonObject(command) && typeof command.CommandId === 'string' ? command.CommandId : undefined;
}

async function rawRequest(request: IncomingMessage): Promise<RawRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return {
    method: request.method ?? 'POST',
    path: request.url ?? '/',
    headers: request.headers,
    body: Buffer.concat(chunks),
  };
}

function answer(response: ServerResponse, status: number, body: JsonObject): void {
  if (response.destroyed) return;
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': randomUUID() });
  response.end(JSON.stringify(body));
}
