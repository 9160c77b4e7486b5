import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { DescribeInstanceInformationCommand, SendCommandCommand, type SSMClient } from '@aws-sdk/client-ssm';
import type { Emulator } from '../../../lab/aws/emulator';
import { LAB_ACCOUNTS } from '../../../lab/config';
import { CuttablePath } from './cuttable-path';
import {
  bundledAgent,
  createDocument,
  type Credentials,
  endAgent,
  finished,
  invocationOf,
  oneStep,
  sendTo,
  type SsmBench,
  standardError,
  startAgent,
  startBench,
  until,
  untilOnline,
} from './ssm-bench';

/** An agent gives a silent poll up after 5 s here, and tries a reply again after pauses that grow. */
const RECONNECTED_WITHIN_MS = 90_000;

/** Agents that are slow, cut off, killed, or one too many. */
export function connections(emulator: () => Emulator): void {
  describe('agents and their connections', () => {
    let bench: SsmBench;
    let credentials: Credentials;
    let member: SSMClient;
    let agentFile: string;
    let clockAhead = 0;
    let instances = 0;
    const endings: (() => Promise<void>)[] = [];

    beforeAll(async () => {
      bench = await startBench(emulator(), { clock: () => Date.now() + clockAhead, longPollSeconds: 2 });
      credentials = await bench.credentials(LAB_ACCOUNTS.member);
      member = bench.client(credentials);
      agentFile = await bundledAgent(bench);
      await createDocument(member, 'lab-name', oneStep('echo done'));
      const script = ': > {{ Marker }}.started; while [ ! -e {{ Marker }}.end ]; do sleep 0.1; done; echo late';
      await createDocument(member, 'lab-until', { ...oneStep(script), parameters: { Marker: { type: 'String' } } });
    });

    afterEach(async () => {
      clockAhead = 0;
      for (const end of endings.splice(0).reverse()) await end();
    });

    afterAll(async () => {
      member.destroy();
      await bench.stop();
    });

    function newInstance(): string {
      instances += 1;
      return `i-0c0222ec70000${String(instances).padStart(4, '0')}`;
    }

    function start(instanceId: string, environment: NodeJS.ProcessEnv = {}): ChildProcess {
      const agent = startAgent(bench, agentFile, instanceId, credentials, environment);
      endings.push(() => endAgent(agent, 'SIGKILL'));
      return agent;
    }

    async function pingStatus(instanceId: string): Promise<string> {
      const Filters = [{ Key: 'InstanceIds', Values: [instanceId] }];
      const answer = await member.send(new DescribeInstanceInformationCommand({ Filters }));
      return answer.InstanceInformationList![0]?.PingStatus ?? 'not registered';
    }

    test('an agent that never registered is no node; one that was killed is ConnectionLost after a while', async () => {
      const instanceId = newInstance();
      expect(await pingStatus(instanceId)).toBe('not registered');
      await expect(sendTo(member, instanceId, 'lab-name')).rejects.toMatchObject({ name: 'InvalidInstanceId' });
      const agent = start(instanceId);
      await untilOnline(bench, instanceId);
      await endAgent(agent, 'SIGKILL');
      expect(await pingStatus(instanceId)).toBe('Online');
      clockAhead = 300_000;
      expect(await pingStatus(instanceId)).toBe('ConnectionLost');
      clockAhead = 0;
      start(instanceId);
      const commandId = await sendTo(member, instanceId, 'lab-name');
      expect((await finished(member, commandId)).Status).toBe('Success');
    });

    test('a slow agent holds each reply back', async () => {
      const instanceId = newInstance();
      start(instanceId, { LAB_AGENT_REPLY_DELAY_MS: '400' });
      await untilOnline(bench, instanceId);
      const before = Date.now();
      const commandId = await sendTo(member, instanceId, 'lab-name');
      expect((await finished(member, commandId)).Status).toBe('Success');
      expect(Date.now() - before).toBeGreaterThanOrEqual(3 * 400); // begin, step, end
    });

    test('an agent that is cut off: what is sent waits or is timed out; when the way is open it takes up again', async () => {
      const instanceId = newInstance();
      const way = await CuttablePath.to(bench.ssm.url);
      endings.push(() => way.close());
      start(instanceId, { LAB_SSM_ENDPOINT: way.url, LAB_AGENT_POLL_WITHIN_MS: '5000' });
      await untilOnline(bench, instanceId);
      const marker = path.join(bench.folder, instanceId);
      const running = await sendTo(member, instanceId, 'lab-until', { Marker: [marker] });
      await until('the script runs', () => existsSync(`${marker}.started`));

      way.cut();
      const short = await member.send(
        new SendCommandCommand({ DocumentName: 'lab-name', InstanceIds: [instanceId], TimeoutSeconds: 30 }),
      );
      const patient = await sendTo(member, instanceId, 'lab-name');
      await writeFile(`${marker}.end`, '');
      expect((await invocationOf(member, running)).Status).toBe('InProgress');
      clockAhead = 31_000;
      expect(await invocationOf(member, short.Command!.CommandId!)).toMatchObject({
        Status: 'TimedOut',
        StatusDetails: 'DeliveryTimedOut',
      });
      expect((await invocationOf(member, patient)).Status).toBe('Pending');

      way.mend();
      const late = await finished(member, running, RECONNECTED_WITHIN_MS);
      expect(late).toMatchObject({ Status: 'Success' });
      expect(late.CommandPlugins![0]!.Output).toBe('late\n');
      expect((await finished(member, patient, RECONNECTED_WITHIN_MS)).Status).toBe('Success');
      expect((await invocationOf(member, short.Command!.CommandId!)).StatusDetails).toBe('DeliveryTimedOut');
    }, 240_000);

    test('of two agents of an instance the later one serves, and the earlier one ends', async () => {
      const instanceId = newInstance();
      const first = start(instanceId);
      const said = standardError(first);
      await untilOnline(bench, instanceId);
      const marker = path.join(bench.folder, instanceId);
      const running = await sendTo(member, instanceId, 'lab-until', { Marker: [marker] });
      await until('the script runs', () => existsSync(`${marker}.started`));
      const ended = once(first, 'exit');
      const second = start(instanceId);
      await until('the first knows', () => said().includes('A newer agent serves this instance'));
      expect(first.exitCode).toBeNull(); // what it began it ends, and tells
      expect((await finished(member, await sendTo(member, instanceId, 'lab-name'))).Status).toBe('Success');
      await writeFile(`${marker}.end`, '');
      expect((await finished(member, running)).Status).toBe('Success');
      expect(await ended).toEqual([0, null]);
      expect(second.exitCode).toBeNull();
    });
  });
}
