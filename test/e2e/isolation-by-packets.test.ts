/** What an isolation is worth, counted in packets of a session that was open before it. */
import {
  CreateSecurityGroupCommand,
  DescribeInstancesCommand,
  ModifyNetworkInterfaceAttributeCommand,
  RevokeSecurityGroupEgressCommand,
} from '@aws-sdk/client-ec2';
import { appendFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { BEACON_ADDRESS } from '../../lab/network/internet';
import type { InternetAccess } from '../../lab/seed/network';
import { runScript } from '../../lab/seed/run-script';
import type { Suspect } from '../../lab/seed/suspect';
import { scriptOf } from '../ssm-documents/run-document';
import { goesOn, isSilent } from './beacon-session';
import { decide, outcomeOf, startTestLab, type TestLab, until } from './support';

jest.setTimeout(300_000);

/** The way that an intruder takes; the lab's resolver knows the name. */
const CANARIES = { tcp: [`${BEACON_ADDRESS}:443`], dns: ['c2.example'], icmp: [] };
const PROBE = scriptOf('probeIsolation', {
  CaseId: 'before',
  TcpCanaries: CANARIES.tcp.join(),
  DnsCanaries: CANARIES.dns.join(),
  IcmpCanaries: 'none',
  ExecutionTimeout: '60',
});

/** A line every fifth of a second, and an answer to each, as long as the connection lives. */
const SESSION = `setsid bash -c '
  exec 3<>/dev/tcp/${BEACON_ADDRESS}/443
  while echo heartbeat >&3 && read -r -t 60 -u 3 _; do sleep 0.2; done
' </dev/null >/dev/null 2>&1 &`;

let lab: TestLab;
beforeAll(async () => {
  lab = await startTestLab();
  await appendFile(lab.deployment.configFile, stringify({ isolationProbe: { canaries: CANARIES } }));
  await lab.replaceWorker();
});
afterAll(() => lab.stop());

async function suspectWithSession(internet: InternetAccess): Promise<Suspect> {
  const suspect = await lab.launch({ internet });
  const { exitCode, stderr } = await runScript(lab.deployment.member, suspect.instanceId, SESSION);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  expect(await goesOn(lab, suspect)).toBe(true);
  return suspect;
}

test('one change to a group without any rule leaves the open session alive (EC2 User Guide, connection tracking)', async () => {
  const suspect = await suspectWithSession('nat-instance');
  const { ec2 } = lab.deployment.member;
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [suspect.instanceId] }));
  const [eni] = Reservations![0]!.Instances![0]!.NetworkInterfaces!;
  const { GroupId } = await ec2.send(
    new CreateSecurityGroupCommand({ VpcId: eni!.VpcId!, GroupName: 'quarantine', Description: 'no rules at all' }),
  );
  await ec2.send(
    new RevokeSecurityGroupEgressCommand({
      GroupId: GroupId!,
      IpPermissions: [{ IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] }],
    }),
  );
  await ec2.send(
    new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId: eni!.NetworkInterfaceId!, Groups: [GroupId!] }),
  );
  await sleep(1000);
  expect(await goesOn(lab, suspect)).toBe(true);
});

test.each<[InternetAccess, object[]]>([
  ['nat-instance', []],
  ['public-address', [{ kind: 'assigned', outcome: 'removed' }]],
])('the isolation of a case ends it (internet by %s): not one more byte passes', async (internet, internetEdge) => {
  const suspect = await suspectWithSession(internet);
  const before = await runScript(lab.deployment.member, suspect.instanceId, PROBE);
  expect(before.stdout).toContain(`"target":"${BEACON_ADDRESS}:443","result":"open","how":"connected"`);
  const handle = await lab.openCase(suspect);
  await until(handle, 'the isolation checkpoint open', (now) => now.checkpoints.isolation.state === 'open');
  expect(await goesOn(lab, suspect)).toBe(true);
  await decide(handle);
  await until(handle, 'the instance isolated', (now) =>
    now.phases.some((phase) => phase.name === 'containment' && phase.outcome === 'succeeded'),
  );
  expect(await isSilent(lab, suspect)).toBe(true);
  const outcome = await outcomeOf(handle);
  expect(outcome.containment).toMatchObject({ outcome: 'isolated', internetEdge });
  // Security groups do not filter the resolver, in the lab as on AWS.
  expect(outcome.containment?.measured).toMatchObject({
    measured: true,
    flows: [
      { path: `TCP to ${BEACON_ADDRESS}:443`, result: 'blocked' },
      { path: 'DNS through the Amazon resolver for c2.example', result: 'open' },
      { path: 'the instance metadata service' },
    ],
  });
  // The agent is still there: Systems Manager's endpoint is what stays open.
  expect((await runScript(lab.deployment.member, suspect.instanceId, 'echo reached')).stdout).toContain('reached');
});
