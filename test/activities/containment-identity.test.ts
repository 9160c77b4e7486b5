import { DescribeIamInstanceProfileAssociationsCommand } from '@aws-sdk/client-ec2';
import { GetRolePolicyCommand } from '@aws-sdk/client-iam';
import { type ContainmentPlan, planHash } from '../../domain/containment';
import { actsOf } from './acts';
import { factsOf, giveProfile, layerSteps, planFor } from './containment-lab';
import {
  type ActivityLab,
  CASE_ID,
  createNetwork,
  launchSuspect,
  type Network,
  startActivityLab,
  type Suspect,
} from './support';

let lab: ActivityLab;
let network: Network;
let steps: ReturnType<typeof layerSteps>;

beforeAll(async () => {
  lab = await startActivityLab();
  network = await createNetwork(lab);
  steps = layerSteps(lab);
});
afterAll(() => lab.stop());
beforeEach(async () => {
  await lab.aws.lab.clearFaults();
  await lab.aws.lab.clearCalls();
});

const launch = () => launchSuspect(lab, network);
const revocationOf = async (roleName: string, { target }: Suspect): Promise<unknown> => {
  const { PolicyDocument } = await lab.aws.member.iam.send(
    new GetRolePolicyCommand({ RoleName: roleName, PolicyName: `forensics-revoke-${target.instanceId}` }),
  );
  return JSON.parse(decodeURIComponent(PolicyDocument!));
};
const profileOf = async ({ target }: Suspect): Promise<string | undefined> => {
  const { IamInstanceProfileAssociations } = await lab.aws.member.ec2.send(
    new DescribeIamInstanceProfileAssociationsCommand({
      Filters: [{ Name: 'instance-id', Values: [target.instanceId] }],
    }),
  );
  return IamInstanceProfileAssociations?.[0]?.IamInstanceProfile?.Arn;
};
const times = async () =>
  (await lab.aws.lab.calls()).flatMap(({ action, error }) =>
    error === null && ['ReplaceIamInstanceProfileAssociation', 'PutRolePolicy'].includes(action) ? [action] : [],
  );

describe('the identity of the instance', () => {
  it('is exchanged before its sessions are revoked, so that none minted in between stays good (AFO A7)', async () => {
    const suspect = await launch();
    const { roleName } = await giveProfile(lab, [suspect]);
    const plan = await planFor(lab, suspect, ['identity']);
    expect(plan.layers.identity).toMatchObject({ revoke: 'whole-role' });
    await lab.aws.lab.clearCalls();
    const earliest = new Date().toISOString();
    expect(await steps.apply(plan, 'identity')).toMatchObject({ outcome: 'applied', verified: true });
    expect(await times()).toEqual(['ReplaceIamInstanceProfileAssociation', 'PutRolePolicy']);
    expect(await profileOf(suspect)).toMatch(/instance-profile\/ForensicsIsolatedKeepSsm$/);
    const policy = (await revocationOf(roleName, suspect)) as {
      Statement: { Condition: { DateLessThan: { 'aws:TokenIssueTime': string } } }[];
    };
    const [{ Condition }] = policy.Statement as [{ Condition: { DateLessThan: { 'aws:TokenIssueTime': string } } }];
    expect(Condition.DateLessThan['aws:TokenIssueTime'] >= earliest).toBe(true);
    expect(Object.keys(Condition)).toEqual(['DateLessThan']);
  });

  it('that others have is revoked for this instance only, and they are named (AFO A7, 1b.12)', async () => {
    const [suspect, other] = [await launch(), await launch()];
    const { roleName, profileArn } = await giveProfile(lab, [suspect, other]);
    const plan = await planFor(lab, suspect, ['identity']);
    expect(plan.blastRadius.join()).toContain(`${roleName} is also that of ${other.target.instanceId}`);
    await steps.apply(plan, 'identity');
    expect(await revocationOf(roleName, suspect)).toMatchObject({
      Statement: [
        {
          Effect: 'Deny',
          Condition: {
            ArnEquals: {
              'ec2:SourceInstanceARN': expect.stringContaining(`instance/${suspect.target.instanceId}`) as string,
            },
          },
        },
      ],
    });
    expect(await profileOf(other)).toBe(profileArn);
  });

  it('whose role others than EC2 may assume is revoked for this instance only', async () => {
    const suspect = await launch();
    await giveProfile(lab, [suspect], { Service: ['ec2.amazonaws.com', 'lambda.amazonaws.com'] });
    expect((await planFor(lab, suspect, ['identity'])).layers.identity).toMatchObject({ revoke: 'this-instance' });
  });

  it('of an instance without a profile costs nothing: the other layers are applied (AFO A2, 1b.4)', async () => {
    const suspect = await launch();
    const plan = await planFor(lab, suspect, ['identity', 'security-groups']);
    expect((await steps.applyAll(plan)).map(({ layer, outcome }) => [layer, outcome])).toEqual([
      ['identity', 'not-needed'],
      ['security-groups', 'applied'],
    ]);
  });

  it('of a profile with a path is found by its name (AFO A2)', async () => {
    const suspect = await launch();
    const { roleName, profileArn } = await giveProfile(lab, [suspect]);
    expect(profileArn).toContain('/teams/web/');
    expect((await factsOf(lab, suspect)).instanceProfile).toEqual({
      arn: profileArn,
      roleName,
      assumedByOthers: false,
      otherHolders: [],
    });
  });

  it('that cannot be exchanged is no success: named, and no session is revoked in its place (AFO A12)', async () => {
    const suspect = await launch();
    const { profileArn } = await giveProfile(lab, [suspect]);
    const plan = await planFor(lab, suspect, ['identity']);
    await lab.aws.lab.setFaults([
      {
        action: 'ReplaceIamInstanceProfileAssociation',
        code: 'UnauthorizedOperation',
        message: 'not authorized to perform: iam:PassRole',
        times: 9,
      },
    ]);
    await lab.aws.lab.clearCalls();
    const outcome = await steps.apply(plan, 'identity');
    expect(outcome).toMatchObject({ outcome: 'failed', verified: false });
    expect(outcome.reason).toMatch(/iam:PassRole.*sessions are not revoked/);
    expect(await profileOf(suspect)).toBe(profileArn);
    expect(await times()).toEqual([]);
  });

  it('keeps the revocation of an attempt whose answer was lost, and takes it off at release (1b.12)', async () => {
    const suspect = await launch();
    const { roleName, profileArn } = await giveProfile(lab, [suspect]);
    const plan = await planFor(lab, suspect, ['identity'], 'full');
    const before = await steps.read({ caseId: CASE_ID, plan, layer: 'identity' });
    await lab.aws.lab.setFaults([
      { action: 'PutRolePolicy', code: 'ServiceUnavailable', status: 503, when: 'after', times: 3 },
    ]);
    await expect(steps.applyOne({ caseId: CASE_ID, plan, layer: 'identity', before })).rejects.toMatchObject({
      type: 'Unavailable',
    });
    const first = await revocationOf(roleName, suspect);
    const applied = await steps.applyOne({ caseId: CASE_ID, plan, layer: 'identity', before }, 2);
    expect(applied).toMatchObject({ outcome: 'applied' });
    expect(await revocationOf(roleName, suspect)).toEqual(first);
    expect(await profileOf(suspect)).toMatch(/ForensicsIsolatedFull$/);

    expect(await steps.undo(plan, applied)).toEqual({ layer: 'identity', outcome: 'restored' });
    expect(await profileOf(suspect)).toBe(profileArn);
    await expect(revocationOf(roleName, suspect)).rejects.toThrow();
    // Once more, as after a lost answer.
    expect(await steps.undo(plan, applied)).toEqual({ layer: 'identity', outcome: 'restored' });
  });

  it('tells each change for the custody log, with the plan that allowed it', async () => {
    const suspect = await launch();
    await giveProfile(lab, [suspect]);
    const plan = await planFor(lab, suspect, ['identity']);
    const acts = await actsOf(() => steps.apply(plan, 'identity'));
    expect(acts.map(({ message }) => message)).toEqual([
      expect.stringMatching(/instance profile of i-.* was exchanged/) as string,
      expect.stringMatching(/Older sessions of role .* were revoked/) as string,
    ]);
    expect(acts[0]).toMatchObject({ data: { changesSuspect: true } });
    const cutting = await planFor(lab, suspect, ['internet-edge', 'security-groups', 'metadata-service']);
    const more = await actsOf(() => steps.applyAll(cutting));
    const authorityOf = (plan: ContainmentPlan) => ({ checkpoint: 'isolation', planHash: planHash(plan) });
    expect(acts.map(({ authority }) => authority)).toEqual(acts.map(() => authorityOf(plan)));
    expect(more.map(({ authority }) => authority)).toEqual(more.map(() => authorityOf(cutting)));
    expect(more.length).toBeGreaterThan(3);
  });
});
