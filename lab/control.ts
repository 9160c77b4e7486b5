import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What is done to an instance from outside, as a power failure or a crash would. */
export interface InstanceControl {
  /** Ends the SSM agent's process at once, as SIGKILL does. It stays away until startAgent. */
  killAgent(instanceId: string): Promise<void>;
  startAgent(instanceId: string): Promise<void>;
}

export const CONTROL_ACTIONS = ['kill-agent', 'start-agent'] as const;
export type ControlAction = (typeof CONTROL_ACTIONS)[number];

export interface ControlServer {
  url: string;
  stop(): Promise<void>;
}

/**
 * The lab's own door for `lab instance`, on the loopback interface: POST /instances/<instance id>/<action>.
 * Answers 200, or 4xx with { error } in words.
 */
export async function startControlServer(control: InstanceControl): Promise<ControlServer> {
  const server = createServer((request, response) => {
    const [, collection, instanceId, action] = (request.url ?? '').split('/');
    const run = (): Promise<void> => {
      if (request.method !== 'POST' || collection !== 'instances' || instanceId === undefined)
        throw new Error('POST /instances/<instance id>/<action> is what is served here');
      if (action === 'kill-agent') return control.killAgent(instanceId);
      if (action === 'start-agent') return control.startAgent(instanceId);
      throw new Error(`action "${action ?? ''}": give one of ${CONTROL_ACTIONS.join(', ')}`);
    };
    const answer = (status: number, body: object): void => {
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
    };
    request.resume();
    void Promise.resolve()
      .then(run)
      .then(
        () => answer(200, {}),
        (error: unknown) => answer(409, { error: error instanceof Error ? error.message : String(error) }),
      );
  });
  await listen(server);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve());
  });
}

/** @throws Error with the server's own words when the action is refused */
export async function controlInstance(controlUrl: string, instanceId: string, action: ControlAction): Promise<void> {
  const answer = await fetch(`${controlUrl}/instances/${encodeURIComponent(instanceId)}/${action}`, { method: 'POST' });
  if (answer.ok) return;
  const { error } = (await answer.json()) as { error?: string };
  throw new Error(error ?? `the lab answered ${answer.status}`);
}
