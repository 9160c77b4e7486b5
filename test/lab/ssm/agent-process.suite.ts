import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { SSMClient } from '@aws-sdk/client-ssm';
import type { Emulator } from '../../../lab/aws/emulator';
import { LAB_ACCOUNTS } from '../../../lab/config';
import {
  bundledAgent,
  createDocument,
  type Credentials,
  endAgent,
  finished,
  invocationOf,
  oneStep,
  sendTo,
  standardError,
  type SsmBench,
  startAgent,
  startBench,
  until,
  untilOnline,
} from './ssm-bench';

/** The agent as a process: how it starts, ends, and what becomes of its commands. */
export function agentProcess(emulator: () => Emulator): void {
  describe('the agent process', () => {
    let bench: SsmBench;
    let credentials: Credentials;
    let client: SSMClient;
    let agentFile: string;
    let clockAhead = 0;
    const agents: ChildProcess[] = [];
    let instances = 0;

    beforeAll(async () => {
      bench = await startBench(emulator(), { clock: () => Date.now() + clockAhead });
      credentials = await bench.credentials(LAB_ACCOUNTS.member);
      client = bench.client(credentials);
      agentFile = await bundledAgent(bench);
      await createDocument(client, 'lab-quick', oneStep('hostname; echo done'));
      const marked = 'echo $$ > {{ PidFile }}; sleep 600';
      await createDocument(client, 'lab-long', { ...oneStep(marked), parameters: { PidFile: { type: 'String' } } });
    });

    afterEach(async () => {
      await Promise.all(agents.splice(0).map((agent) => endAgent(agent)));
      clockAhead = 0;
    });

    afterAll(async () => {
      client.destroy();
      await bench.stop();
    });

    function newInstance(): string {
      instances += 1;
      return `i-0a9e27000000000${String(instances).padStart(2, '0')}`;
    }

    async function start(instanceId: string, environment: NodeJS.ProcessEnv = {}): Promise<ChildProcess> {
      const agent = startAgent(bench, agentFile, instanceId, credentials, environment);
      agents.push(agent);
      await untilOnline(bench, instanceId);
      return agent;
    }

    /** Sends the long command and waits until its script is at work. */
    async function sendLong(instanceId: string): Promise<{ commandId: string; scriptPid: number }> {
      const pidFile = path.join(bench.folder, `${instanceId}.pid`);
      const commandId = await sendTo(client, instanceId, 'lab-long', { PidFile: [pidFile] });
      const pid = (): number => {
        try {
          return Number(readFileSync(pidFile, 'utf8'));
        } catch {
          return 0;
        }
      };
      await until('the script runs', () => pid() > 0);
      return { commandId, scriptPid: pid() };
    }

    function alive(pid: number): boolean {
      try {
        process.kill(pid, 0);
        // A killed process whose parent has not looked yet is still in the table.
        return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
      } catch {
        return false;
      }
    }

    test('without its settings it ends and says which one is missing', async () => {
      const agent = startAgent(bench, agentFile, '', credentials);
      const said = standardError(agent);
      const [code] = (await once(agent, 'close')) as [number];
      expect(code).toBe(1);
      expect(said()).toContain('LAB_INSTANCE');
    });

    test('SIGTERM ends it and its scripts at once', async () => {
      const instanceId = newInstance();
      const agent = await start(instanceId);
      const { commandId, scriptPid } = await sendLong(instanceId);
      expect(alive(scriptPid)).toBe(true);
      await endAgent(agent); // its script would take ten minutes
      await until('the script is gone', () => !alive(scriptPid));
      expect((await invocationOf(client, commandId)).Status).toBe('InProgress');
    });

    test('a command whose agent was killed is timed out at its end, and the next agent takes the next command', async () => {
      const instanceId = newInstance();
      const { commandId, scriptPid } = await (async () => {
        const agent = await start(instanceId);
        const sent = await sendLong(instanceId);
        await endAgent(agent, 'SIGKILL');
        return sent;
      })();
      process.kill(scriptPid, 'SIGKILL'); // the agent could not
      bench.ssm.forget(instanceId);
      await start(instanceId);
      expect((await finished(client, await sendTo(client, instanceId, 'lab-quick'))).Status).toBe('Success');
      expect((await invocationOf(client, commandId)).Status).toBe('InProgress');
      clockAhead = 2 * 3600 * 1000; // delivery time-out and the step's own, one hour each by default
      expect(await invocationOf(client, commandId)).toMatchObject({
        Status: 'TimedOut',
        StatusDetails: 'DeliveryTimedOut',
      });
    });

    test('a command waits for an agent that comes back late', async () => {
      const instanceId = newInstance();
      await endAgent(await start(instanceId), 'SIGKILL');
      const commandId = await sendTo(client, instanceId, 'lab-quick');
      expect((await invocationOf(client, commandId)).Status).toBe('Pending');
      await start(instanceId);
      expect((await finished(client, commandId)).Status).toBe('Success');
    });

    test('two commands run side by side', async () => {
      const instanceId = newInstance();
      await start(instanceId);
      const { commandId } = await sendLong(instanceId);
      expect((await finished(client, await sendTo(client, instanceId, 'lab-quick'))).Status).toBe('Success');
      expect((await invocationOf(client, commandId)).Status).toBe('InProgress');
    });
  });
}
