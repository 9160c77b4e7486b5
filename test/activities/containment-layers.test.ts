import {
  AssociateAddressCommand,
  CreateSecurityGroupCommand,
  ModifyInstanceMetadataOptionsCommand,
  ModifyNetworkInterfaceAttributeCommand,
  TerminateInstancesCommand,
  waitUntilInstanceTerminated,
} from '@aws-sdk/client-ec2';
import { ListRolePoliciesCommand, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import type { ApplicationFailure } from '@temporalio/common';
import {
  type ContainmentPlan,
  type EnforcedLayer,
  type LayerOutcome,
  revocationPolicy,
} from '../../domain/containment';
import { createProtectionActivities } from '../../activities/protection';
import { createProtectionUndoActivities } from '../../activities/protection-undo';
import {
  dump,
  type EntangledSuspect,
  EVERY_LAYER,
  factsOf,
  groupRoles,
  launchEntangledSuspect,
  layerSteps,
  moreClients,
  type MoreClients,
  planFor,
} from './containment-lab';
import { type ActivityLab, CASE_ID, runActivity, startActivityLab } from './support';

let lab: ActivityLab;
let clients: MoreClients;
let steps: ReturnType<typeof layerSteps>;

beforeAll(async () => {
  lab = await startActivityLab();
  // The roles that the product's own set-up made suffice for every layer and its release.
  await lab.aws.lab.enforceIam(true);
  clients = moreClients(lab);
  steps = layerSteps(lab);
});
afterAll(async () => {
  clients.autoScaling.destroy();
  clients.loadBalancing.destroy();
  await lab.stop();
});
beforeEach(async () => {
  await lab.aws.lab.clearFaults();
  await lab.aws.lab.clearCalls();
});

async function containAndRelease(entangled: EntangledSuspect): Promise<ContainmentPlan> {
  const { suspect } = entangled;
  const facts = await factsOf(lab, suspect);
  const protection = createProtectionActivities(lab);
  const { steps: protections } = await runActivity(
    (input: Parameters<typeof protection.protectInstance>[0]) => protection.protectInstance(input),
    { caseId: CASE_ID, facts, standby: true },
  );
  expect(protections.filter(({ outcome }) => outcome !== 'set' && outcome !== 'already-set')).toEqual([]);

  const plan = await planFor(lab, suspect, EVERY_LAYER);
  const outcomes = await steps.applyAll(plan);
  expect(outcomes.map(({ layer, outcome, verified, reason }) => [layer, outcome, verified, reason])).toEqual(
    EVERY_LAYER.map((layer) => [layer, 'applied', true, undefined]),
  );
  expect(await groupRoles(lab, suspect)).toEqual(['isolation', 'isolation', 'isolation']);

  const undone = [];
  for (const outcome of outcomes.reverse()) {
    let undo = steps.undo(plan, outcome);
    // An instance that is starting is looked at again, as Temporal does it.
    for (let look = 0; look < 40; look += 1) {
      const failed = await undo.then(
        () => false,
        () => true,
      );
      if (!failed) break;
      undo = steps.undo(plan, outcome, 2);
    }
    undone.push(await undo);
  }
  expect(undone.map(({ layer, outcome }) => [layer, outcome])).toEqual(
    outcomes.map(({ layer }) => [layer, 'restored']),
  );
  const release = createProtectionUndoActivities(lab);
  const { steps: taken } = await runActivity(
    (input: Parameters<typeof release.undoProtection>[0]) => release.undoProtection(input),
    { caseId: CASE_ID, facts, steps: protections },
  );
  expect(taken.filter(({ outcome }) => outcome !== 'restored')).toEqual([]);
  return plan;
}

describe('every layer of an instance with three interfaces, shared profile, group and target group', () => {
  let entangled: EntangledSuspect;
  beforeAll(async () => {
    entangled = await launchEntangledSuspect(lab, clients);
  });

  it('is planned in the order that leaves no gap, with everybody who feels it', async () => {
    const { suspect, other, roleName, targetGroupArn, groupName } = entangled;
    const plan = await planFor(lab, suspect, [...EVERY_LAYER].reverse());
    expect(plan.steps.map(({ layer }) => layer)).toEqual(EVERY_LAYER);
    expect(plan.layers.identity).toMatchObject({ roleName, revoke: 'this-instance' });
    const radius = plan.blastRadius.join('\n');
    expect(radius).toContain(`${roleName} is also that of ${other.target.instanceId}`);
    expect(radius).toContain(`${targetGroupArn} loses the instance on port 8080`);
    expect(radius).toContain(`Auto Scaling group ${groupName}`);
    expect(plan.steps.find(({ layer }) => layer === 'network-acl')!.needsOwnConsent).toContain(other.target.instanceId);
  });

  it('is applied and verified; the release leaves AWS as it was, field by field, and so does a second round', async () => {
    const before = await dump(lab, clients, entangled);
    for (const _round of [1, 2]) {
      await containAndRelease(entangled);
      expect(await dump(lab, clients, entangled)).toEqual(before);
    }
  });

  it('runs again after its answers were lost: the same outcome and no further change', async () => {
    const layers = EVERY_LAYER.filter((layer) => layer !== 'stop');
    const plan = await planFor(lab, entangled.suspect, layers, 'full');
    const befores = await Promise.all(plan.steps.map(({ layer }) => steps.read({ caseId: CASE_ID, plan, layer })));
    const round = async (attempt: number) => {
      const outcomes: LayerOutcome[] = [];
      for (const before of befores)
        outcomes.push(await steps.applyOne({ caseId: CASE_ID, plan, layer: before.layer, before }, attempt));
      return outcomes;
    };
    const first = await round(1);
    expect(first.map(({ outcome }) => outcome)).toEqual(layers.map(() => 'applied'));
    await lab.aws.lab.clearCalls();
    const second = await round(2);
    const timeless = (outcomes: LayerOutcome[]) => outcomes.map((one) => ({ ...one, verifiedAt: '' }));
    expect(timeless(second)).toEqual(timeless(first));
    // EC2 takes an address that is not there any more for done.
    const changing = (await lab.aws.lab.calls())
      .map(({ action }) => action)
      .filter((action) => !/^(Describe|Get|AssumeRole)/.test(action));
    expect(changing).toEqual(['UnassignIpv6Addresses']);
    for (const outcome of first.reverse())
      expect(await steps.undo(plan, outcome)).toMatchObject({ outcome: 'restored' });
  });
});

describe('a release', () => {
  it('touches nothing where somebody else changed it, layer by layer, and says what is there', async () => {
    const entangled = await launchEntangledSuspect(lab, clients);
    const { suspect, other, network, roleName, allocationId } = entangled;
    const { ec2, iam } = lab.aws.member;
    const [first = ''] = suspect.networkInterfaceIds;
    const layers = EVERY_LAYER.filter((layer) => layer !== 'stop' && layer !== 'load-balancer');
    const plan = await planFor(lab, suspect, layers);
    const outcomes = await steps.applyAll(plan);
    const applied = (layer: string) => outcomes.find((one) => one.layer === layer)!;

    const { GroupId } = await ec2.send(
      new CreateSecurityGroupCommand({ VpcId: network.vpcId, GroupName: 'somebody', Description: 'somebody' }),
    );
    await ec2.send(new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId: first, Groups: [GroupId!] }));
    await ec2.send(
      new AssociateAddressCommand({ AllocationId: allocationId, NetworkInterfaceId: other.networkInterfaceIds[0] }),
    );
    await ec2.send(
      new ModifyInstanceMetadataOptionsCommand({ InstanceId: suspect.target.instanceId, HttpPutResponseHopLimit: 7 }),
    );
    await iam.send(
      new PutRolePolicyCommand({
        RoleName: roleName,
        PolicyName: `forensics-revoke-${suspect.target.instanceId}`,
        PolicyDocument: JSON.stringify(revocationPolicy('2026-01-01T00:00:00Z')),
      }),
    );
    await lab.aws.lab.clearCalls();
    expect(await steps.undo(plan, applied('security-groups'))).toMatchObject({
      outcome: 'differs',
      difference: expect.stringContaining(`${first} has ${GroupId!}`) as string,
    });
    expect(await steps.undo(plan, applied('internet-edge'))).toMatchObject({
      outcome: 'differs',
      difference: expect.stringContaining(`given to ${other.networkInterfaceIds[0]!}`) as string,
    });
    expect(await steps.undo(plan, applied('metadata-service'))).toMatchObject({ outcome: 'differs' });
    expect(await steps.undo(plan, applied('identity'))).toMatchObject({
      outcome: 'differs',
      difference: expect.stringContaining(`policy forensics-revoke-${suspect.target.instanceId}`) as string,
    });
    const changing = (await lab.aws.lab.calls()).filter(({ action }) => !/^(Describe|Get|AssumeRole)/.test(action));
    expect(changing).toEqual([]);
    expect(await steps.undo(plan, applied('network-acl'))).toMatchObject({ outcome: 'restored' });
  });

  it('of an instance that is gone ends, and takes the revocation off the role that others have', async () => {
    const { suspect, roleName } = await launchEntangledSuspect(lab, clients);
    const plan = await planFor(lab, suspect, ['identity', 'internet-edge', 'security-groups', 'metadata-service']);
    const outcomes = await steps.applyAll(plan);
    const { ec2, iam } = lab.aws.member;
    const InstanceIds = [suspect.target.instanceId];
    const names = async () => (await iam.send(new ListRolePoliciesCommand({ RoleName: roleName }))).PolicyNames;
    expect(await names()).toContain(`forensics-revoke-${suspect.target.instanceId}`);
    await ec2.send(new TerminateInstancesCommand({ InstanceIds }));
    await waitUntilInstanceTerminated({ client: ec2, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { InstanceIds });
    // Interfaces that were attached later outlive their instance; they are restored, the rest is gone.
    const undone = [];
    for (const outcome of outcomes.reverse()) undone.push(await steps.undo(plan, outcome));
    expect(undone.filter(({ layer }) => layer === 'identity' || layer === 'metadata-service')).toEqual([
      { layer: 'metadata-service', outcome: 'gone' },
      { layer: 'identity', outcome: 'gone' },
    ]);
    expect(undone.map(({ outcome }) => outcome)).not.toContain('failed');
    expect(await names()).toEqual(['app']);
  });
});

/**
 * The calls of each layer, one a round; layers share none of a round's calls, so that all of them can be tried at once, each on an
 * instance of its own.
 */
const CALLS: Partial<Record<EnforcedLayer, string[]>> = {
  identity: [
    'DescribeIamInstanceProfileAssociations',
    'ReplaceIamInstanceProfileAssociation',
    'GetRolePolicy',
    'PutRolePolicy',
  ],
  'internet-edge': ['DescribeAddresses', 'DisassociateAddress', 'UnassignIpv6Addresses'],
  'load-balancer': ['DescribeTargetHealth', 'DeregisterTargets'],
  'security-groups': [
    'DescribeSecurityGroups',
    'CreateSecurityGroup',
    'RevokeSecurityGroupEgress',
    'AuthorizeSecurityGroupEgress',
    'DescribeVpcs',
    'ModifyNetworkInterfaceAttribute',
  ],
  'network-acl': ['DescribeNetworkAcls', 'CreateNetworkAcl', 'CreateNetworkAclEntry', 'ReplaceNetworkAclAssociation'],
  'metadata-service': ['ModifyInstanceMetadataOptions'],
  stop: ['StopInstances'],
};
const ERRORS = [
  { code: 'RequestLimitExceeded', status: 503 },
  { code: 'InternalError', status: 500 },
  // The SDK's own limit of a minute is too long for a test: this is what a gateway says when its own is over.
  { code: 'GatewayTimeout', status: 504 },
  { code: 'UnauthorizedOperation', status: 403 },
];

describe('one call of a layer fails', () => {
  it.each([0, 1, 2, 3, 4, 5])(
    'named or tried again, never undone, and completed by a retry (call %i of each layer)',
    async (round) => {
      const tried = EVERY_LAYER.flatMap((layer) => {
        const action = CALLS[layer]?.[round];
        return action === undefined ? [] : [{ layer, action }];
      });
      const cases = [];
      for (const { layer, action } of tried) {
        const { suspect } = await launchEntangledSuspect(lab, clients);
        const plan = await planFor(lab, suspect, [layer]);
        cases.push({ layer, action, suspect, plan, before: await steps.read({ caseId: CASE_ID, plan, layer }) });
      }
      for (const { code, status } of ERRORS) {
        await lab.aws.lab.setFaults(tried.map(({ action }) => ({ action, code, status, times: 10_000 })));
        const outcomes = await Promise.all(
          // The last attempt that a layer is patient for: what it then throws, Temporal goes on to try.
          cases.map(({ layer, plan, before }) =>
            steps.applyOne({ caseId: CASE_ID, plan, layer, before }, 9).catch((error: unknown) => {
              expect((error as ApplicationFailure).nonRetryable).toBe(false);
              return undefined;
            }),
          ),
        );
        await lab.aws.lab.clearFaults();
        for (const [index, outcome] of outcomes.entries()) {
          if (!outcome) expect(code).not.toBe('UnauthorizedOperation');
          else {
            expect(outcome).toMatchObject({ verified: false, reason: expect.stringContaining(code) as string });
            // No interface is left open by an attempt that settles.
            expect(await groupRoles(lab, cases[index]!.suspect)).not.toContain('untrack');
          }
        }
      }
      for (const { layer, plan, before } of cases) {
        const attempt = () => steps.applyOne({ caseId: CASE_ID, plan, layer, before }, 2);
        // An instance that is stopping is looked at again, as Temporal does it.
        expect(await attempt().catch(attempt)).toMatchObject({ layer, outcome: 'applied', verified: true });
      }
    },
  );
});

it('a layer that fails takes none of the others with it, and is named', async () => {
  const { suspect } = await launchEntangledSuspect(lab, clients);
  const layers = EVERY_LAYER.filter((layer) => layer !== 'stop');
  const plan = await planFor(lab, suspect, layers);
  const denied: Partial<Record<EnforcedLayer, string>> = {
    identity: 'PutRolePolicy',
    'internet-edge': 'DisassociateAddress',
    'load-balancer': 'DeregisterTargets',
    'security-groups': 'DescribeSecurityGroups',
    'network-acl': 'ReplaceNetworkAclAssociation',
    'metadata-service': 'ModifyInstanceMetadataOptions',
  };
  const befores = await Promise.all(layers.map((layer) => steps.read({ caseId: CASE_ID, plan, layer })));
  const applyAll = async () => {
    const outcomes: LayerOutcome[] = [];
    for (const before of befores)
      outcomes.push(await steps.applyOne({ caseId: CASE_ID, plan, layer: before.layer, before }));
    return outcomes;
  };
  for (const [layer, action] of Object.entries(denied)) {
    await lab.aws.lab.setFaults([{ action, code: 'UnauthorizedOperation', times: 10_000 }]);
    const outcomes = await applyAll();
    expect(outcomes.filter(({ verified }) => !verified)).toMatchObject([
      { layer, reason: expect.stringContaining('UnauthorizedOperation') as string },
    ]);
    await lab.aws.lab.clearFaults();
    for (const outcome of (await applyAll()).reverse()) {
      expect(outcome).toMatchObject({ verified: true });
      expect(await steps.undo(plan, outcome)).toMatchObject({ outcome: 'restored' });
    }
  }
});
