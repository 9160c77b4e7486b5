import { ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { ListSnapshotBlocksCommand } from '@aws-sdk/client-ebs';
import { DescribeVpcsCommand } from '@aws-sdk/client-ec2';
import { ListKeysCommand } from '@aws-sdk/client-kms';
import { ListBucketsCommand } from '@aws-sdk/client-s3';
import { ListTopicsCommand } from '@aws-sdk/client-sns';
import { DescribeInstanceInformationCommand } from '@aws-sdk/client-ssm';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { AwsClients } from '../../../activities/aws/clients';
import { assumedRoleCredentials, sessionName } from '../../../activities/aws/credentials';
import { LAB_ACCOUNTS, LAB_REGION } from '../../../lab/config';
import { type ActivityLab, CASE_ID, startActivityLab } from '../support';

let lab: ActivityLab;

beforeAll(async () => {
  lab = await startActivityLab();
});
afterAll(() => lab.stop());
beforeEach(async () => {
  await lab.aws.lab.clearFaults();
  await lab.aws.lab.clearCalls();
});

const assumed = async () => (await lab.aws.lab.calls()).filter(({ action }) => action === 'AssumeRole');

describe('clients', () => {
  it('find every service by the SDK’s own variables, and name the product', async () => {
    const { ec2, ebs, ssm, kms, s3, sns, sts, dynamo } = lab.clients.forensics();
    await ec2.send(new DescribeVpcsCommand({}));
    await ebs.send(new ListSnapshotBlocksCommand({ SnapshotId: 'snap-0123456789abcdef0' })).catch(() => undefined);
    await kms.send(new ListKeysCommand({}));
    await s3.send(new ListBucketsCommand({}));
    await sns.send(new ListTopicsCommand({}));
    await sts.send(new GetCallerIdentityCommand({}));
    await dynamo.send(new ListTablesCommand({}));
    const calls = await lab.aws.lab.calls();
    expect([...new Set(calls.map(({ service }) => service))].sort()).toEqual(
      ['dynamodb', 'ebs', 'ec2', 'kms', 's3', 'sns', 'sts'].sort(),
    );
    expect(calls.filter(({ userAgent }) => !userAgent.includes('ec2-forensics/'))).toEqual([]);
    await ssm.send(new DescribeInstanceInformationCommand({}));
    expect(lab.agents.asked).toEqual(['everything']);
  });

  it('act in the member account by the role of the purpose, under the case’s name, with one AssumeRole', async () => {
    const member = lab.clients.member(LAB_ACCOUNTS.member, LAB_REGION, 'contain', CASE_ID);
    expect(lab.clients.member(LAB_ACCOUNTS.member, LAB_REGION, 'contain', CASE_ID)).toBe(member);
    await Promise.all([
      member.ec2.send(new DescribeVpcsCommand({})),
      member.ec2WithoutRetries.send(new DescribeVpcsCommand({})),
      member.sts.send(new GetCallerIdentityCommand({})),
    ]);
    const { Arn } = await member.sts.send(new GetCallerIdentityCommand({}));
    expect(Arn).toBe(`arn:aws:sts::${LAB_ACCOUNTS.member}:assumed-role/ForensicsContain/${CASE_ID}`);
    expect(await assumed()).toHaveLength(1);
  });

  it('are refused by a role that asks for another external id', async () => {
    const clients = new AwsClients({ ...lab.config, externalId: 'wrong' });
    const member = clients.member(LAB_ACCOUNTS.member, LAB_REGION, 'triage');
    await expect(member.ec2.send(new DescribeVpcsCommand({}))).rejects.toThrow(/not authorized to perform: sts:Assume/);
    clients.destroy();
  });

  it('do not repeat a call that could make something twice', async () => {
    const { ec2, ec2WithoutRetries } = lab.clients.forensics();
    await lab.aws.lab.setFaults([{ action: 'DescribeVpcs', code: 'InternalError', status: 500, times: 1 }]);
    await expect(ec2WithoutRetries.send(new DescribeVpcsCommand({}))).rejects.toThrow();
    await lab.aws.lab.setFaults([{ action: 'DescribeVpcs', code: 'InternalError', status: 500, times: 1 }]);
    await expect(ec2.send(new DescribeVpcsCommand({}))).resolves.toBeDefined();
  });

  it('stay few however many cases there are', () => {
    const first = lab.clients.member(LAB_ACCOUNTS.member, LAB_REGION, 'triage', 'case-0');
    for (let index = 1; index <= 300; index += 1) {
      lab.clients.member(LAB_ACCOUNTS.member, LAB_REGION, 'triage', `case-${index}`);
    }
    expect(lab.clients.member(LAB_ACCOUNTS.member, LAB_REGION, 'triage', 'case-0')).not.toBe(first);
  });
});

describe('assumed role credentials', () => {
  const credentials = () =>
    assumedRoleCredentials(() => lab.clients.forensics().sts, {
      roleArn: `arn:aws:iam::${LAB_ACCOUNTS.member}:role/ForensicsTriage`,
      sessionName: sessionName(CASE_ID),
      externalId: lab.config.externalId!,
    });

  it('are asked for once by many at once, and anew before the session ends', async () => {
    const provider = credentials();
    const [first, same] = await Promise.all([provider(), provider()]);
    expect(same).toBe(first);
    expect(await assumed()).toHaveLength(1);
    const now = jest.spyOn(Date, 'now').mockReturnValue(first.expiration.getTime() - 4 * 60_000);
    try {
      expect(await provider()).not.toBe(first);
    } finally {
      now.mockRestore();
    }
    expect(await assumed()).toHaveLength(2);
  });

  it('failed once: the next one asks again', async () => {
    const provider = credentials();
    await lab.aws.lab.setFaults([{ action: 'AssumeRole', code: 'AccessDenied' }]);
    await expect(provider()).rejects.toThrow(/injected/);
    await expect(provider()).resolves.toMatchObject({ sessionToken: expect.any(String) as string });
  });

  it('have a session name that STS takes', () => {
    expect(sessionName('i-1/ü b'.padEnd(90, 'x'))).toMatch(/^[\w+=,.@-]{64}$/);
  });
});
