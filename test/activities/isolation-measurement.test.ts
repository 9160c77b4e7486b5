/* eslint-disable @typescript-eslint/unbound-method -- activities are closures; a worker takes them one by one too */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { ListCommandsCommand } from '@aws-sdk/client-ssm';
import { createMeasurementActivities } from '../../activities/isolation-measurement';
import { type ContainmentPlan, measuredSentences } from '../../domain/containment';
import { LAB_ACCOUNTS, LAB_REGION } from '../../lab/config';
import { loadDocuments } from '../../ssm-documents/documents';
import { actsOf } from './acts';
import { type CommandLab, runActivity, scriptDocument, startCommandLab } from './command-lab';

jest.setTimeout(120_000);

let lab: CommandLab;
let instanceId: string;
let canary: Server;
let tcp: string[];

beforeAll(async () => {
  lab = await startCommandLab();
  const document = loadDocuments().find(({ key }) => key === 'probeIsolation')!;
  lab.config.documents.probeIsolation = await lab.publish(document.name, document.content);
  canary = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
  await once(canary, 'listening');
  tcp = [`127.0.0.1:${(canary.address() as AddressInfo).port}`];
  instanceId = await lab.runInstance('member');
  // Nothing listens there: what the document tries stays on this machine.
  await lab.startAgent(instanceId, 'member', { FORENSICS_RESOLVER: '127.0.0.1/1', FORENSICS_METADATA: '127.0.0.1/1' });
});
afterAll(async () => {
  canary.close();
  await lab.stop();
});

const planFor = (id = instanceId, mode: ContainmentPlan['mode'] = 'keep-ssm'): ContainmentPlan => ({
  target: { accountId: LAB_ACCOUNTS.member, region: LAB_REGION, instanceId: id },
  mode,
  steps: [],
  layers: { internetEdge: [], securityGroups: [] },
  notEnforced: [],
  blastRadius: [],
  residualPaths: [],
});

let cases = 0;
const newCase = (): string => `${instanceId}-20261122t0830${String(cases++).padStart(2, '0')}z`;

interface Changes {
  documents?: CommandLab['config']['documents'];
  patienceMs?: number;
  probed?: boolean;
}
const probe = (
  caseId: string,
  plan = planFor(),
  { documents, patienceMs, probed = true }: Changes = {},
  attempt = 1,
) => {
  const { probeIsolation } = createMeasurementActivities({
    config: {
      ...lab.config,
      ...(documents && { documents }),
      ...(probed && { isolationProbe: { canaries: { tcp, dns: ['canary.example'], icmp: [] } } }),
    },
    clients: lab.clients,
    ...(patienceMs !== undefined && { patienceMs }),
  });
  return runActivity(probeIsolation, { caseId, plan, measurement: 1 as const }, attempt);
};

const commandsOf = async (caseId: string) => {
  const { Commands } = await lab.runCommand('member').send(new ListCommandsCommand({ InstanceId: instanceId }));
  return Commands!.filter((command) => command.Comment!.startsWith(`${caseId}/`));
};

const withDocument = async (name: string, script: string) => ({
  ...lab.config.documents,
  probeIsolation: await lab.publish(name, probeDocument(script)),
});

/** A document with the probe's parameters that does something else. */
function probeDocument(script: string): string {
  const document = JSON.parse(scriptDocument(script)) as {
    parameters: Record<string, object>;
    mainSteps: [{ inputs: { runCommand: string[] } }];
  };
  const text = { type: 'String', default: 'none' };
  document.parameters = {
    CaseId: text,
    TcpCanaries: text,
    DnsCanaries: text,
    IcmpCanaries: text,
    ExecutionTimeout: text,
  };
  document.mainSteps[0].inputs.runCommand = ['#!/bin/bash', script];
  return JSON.stringify(document);
}

test('the real document tells what is open and what is not; the command is an act that changes the suspect', async () => {
  const caseId = newCase();
  const acts = await actsOf(async () => {
    const measurement = await probe(caseId);
    expect(measurement).toMatchObject({
      measured: true,
      flows: [
        { path: `TCP to ${tcp[0]!}`, result: 'open' },
        { path: 'DNS through the Amazon resolver for canary.example', result: 'blocked' },
        { path: 'the instance metadata service', result: 'blocked' },
      ],
    });
    expect(measuredSentences(measurement)[0]).toBe(`measured from the instance: STILL OPEN: TCP to ${tcp[0]!}`);
    // Another attempt follows the same command.
    expect(await probe(caseId, planFor(), {}, 2)).toEqual(measurement);
  });
  expect(await commandsOf(caseId)).toHaveLength(1);
  const [act] = acts;
  expect(act).toMatchObject({
    data: { instanceId, changesSuspect: true, reversible: false, canaries: { IcmpCanaries: 'none' } },
  });
  expect(act!.awsCalls.map(({ call }) => call)).toEqual(['ssm:SendCommand']);
});

test('without canaries, and in mode full, no command is sent', async () => {
  const caseId = newCase();
  expect(await probe(caseId, planFor(), { probed: false })).toEqual({
    measured: false,
    reason: 'no canaries are configured',
    flows: [],
  });
  expect(await probe(caseId, planFor(instanceId, 'full'))).toMatchObject({ measured: false });
  expect(await commandsOf(caseId)).toEqual([]);
});

test('an instance without an agent is not measured, and that is no failure', async () => {
  const silent = await lab.runInstance('member');
  const measurement = await probe(newCase(), planFor(silent));
  expect(measurement).toMatchObject({ measured: false, reason: expect.stringContaining('no agent') as string });
});

test.each([
  ['words', 'echo \'FORENSICS-RESULT {"form":1,"case":"x","flows":[],"established":null,"more":"<script>"}\''],
  ['another case', 'echo \'FORENSICS-RESULT {"form":1,"case":"x","flows":[],"established":null}\''],
  ['no result', 'echo nothing'],
  ['a failure', 'exit 3'],
])('what a suspect answers instead is not taken: %s', async (name, script) => {
  const documents = await withDocument(`Probe-${name.replaceAll(' ', '-')}`, script);
  const measurement = await probe(newCase(), planFor(), { documents });
  expect(measurement).toMatchObject({ measured: false, flows: [] });
  expect(measurement.reason).not.toContain('<script>');
});

test('a command that does not end is given up and cancelled', async () => {
  const caseId = newCase();
  const documents = await withDocument('Probe-Endless', 'sleep 600');
  const measurement = await probe(caseId, planFor(), { documents, patienceMs: 1 });
  expect(measurement).toMatchObject({ measured: false, reason: expect.stringContaining('in time') as string });
  const [command] = await commandsOf(caseId);
  expect(['Cancelled', 'Cancelling']).toContain(command!.Status);
});
