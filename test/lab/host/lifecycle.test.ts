import fs from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';

import { Connection } from '@temporalio/client';

import type { LabConfig } from '../../../lab/config';
import { labDown, labReset, type LabStatus, labStatus, labUp } from '../../../lab/lab';
import { checkPorts } from '../../../lab/setup/ports';
import { dropConfig, eventually, privateConfig, remains, TestAccount } from './host-lab';

const START_LIMIT = 300_000;

let config: LabConfig;

beforeEach(async () => {
  config = await privateConfig();
});

afterEach(async () => {
  await labReset(config);
  await dropConfig(config);
});

async function launchOne(status: LabStatus): Promise<void> {
  const account = new TestAccount(status.aws, status.ssm, status.stateFolder);
  const instanceId = await account.launch({ 'lab:kind': 'sandbox' });
  await account.attachVolume(instanceId, 'EVIDENCE');
  expect((await account.run(instanceId, 'echo up')).StandardOutputContent).toBe('up\n');
  account.close();
}

test(
  'up, seeded, with a search attribute; up again changes nothing; down leaves nothing',
  async () => {
    const seeded: string[] = [];
    const status = await labUp({
      config,
      forensicTools: false,
      searchAttributes: [{ name: 'CasePhase', type: 'Keyword' }],
      seed: async (context) => {
        seeded.push(context.status.aws);
        await launchOne(context.status);
      },
    });
    expect(seeded).toEqual([`http://127.0.0.1:${config.ports.aws}`]);
    expect(status.instances).toMatchObject([{ kind: 'sandbox', state: 'running' }]);
    const connection = await Connection.connect({ address: status.temporal });
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
    await connection.close();
    expect(customAttributes).toHaveProperty('CasePhase');

    const again = await labUp({ config, forensicTools: false });
    expect(again.pid).toBe(status.pid);
    expect(await labDown(config)).toBe(true);
    expect(await labStatus(config)).toBeUndefined();
    expect(await remains(config.stateFolder)).toEqual([]);
    await expect(checkPorts(config)).resolves.toBeUndefined();
    expect(await labDown(config)).toBe(false);
  },
  START_LIMIT,
);

test(
  'a lab that was killed is gone after down: processes, sandboxes, loop devices',
  async () => {
    const status = await labUp({ config, forensicTools: false });
    await launchOne(status);
    process.kill(status.pid, 'SIGKILL');
    await eventually(async () => expect(await labStatus(config)).toBeUndefined());
    await expect(checkPorts(config)).rejects.toThrow('in use');

    await labDown(config);
    await eventually(async () => expect(await remains(config.stateFolder)).toEqual([]));
    await expect(checkPorts(config)).resolves.toBeUndefined();
  },
  START_LIMIT,
);

test(
  'a port in use is named with its variable, and nothing is started',
  async () => {
    const holder = net.createServer();
    await new Promise<void>((resolve) => holder.listen(config.ports.temporal, '127.0.0.1', resolve));
    await expect(labUp({ config, forensicTools: false })).rejects.toThrow(
      `Port ${config.ports.temporal} (Temporal server) is in use: ` +
        'end the program that holds it, or set LAB_TEMPORAL_PORT to a free port',
    );
    await new Promise((resolve) => holder.close(resolve));
    expect(await remains(config.stateFolder)).toEqual([]);
  },
  START_LIMIT,
);

test(
  'a failing seed takes the lab down again and passes its reason on',
  async () => {
    const seed = () => Promise.reject(new Error('no such role'));
    await expect(labUp({ config, forensicTools: false, seed })).rejects.toThrow('no such role');
    expect(await remains(config.stateFolder)).toEqual([]);
    await expect(checkPorts(config)).resolves.toBeUndefined();
  },
  START_LIMIT,
);

test(
  'a folder with other files is never taken for a state folder',
  async () => {
    await fs.mkdir(config.stateFolder, { recursive: true });
    const other = path.join(config.stateFolder, 'thesis.txt');
    await fs.writeFile(other, 'years of work');
    await expect(labUp({ config, forensicTools: false })).rejects.toThrow("holds files that are not a lab's");
    expect(await fs.readFile(other, 'utf8')).toBe('years of work');
    await fs.rm(other);
  },
  START_LIMIT,
);
