import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { awsAccount, checkAccounts } from './aws-target';
import { type AwsSettings, awsSettings, isAws } from './settings';

const ENVIRONMENT = {
  CONTRACT_I_ACCEPT_COSTS: 'yes',
  CONTRACT_REGION: 'eu-central-1',
  CONTRACT_MEMBER_PROFILE: 'suspects',
  CONTRACT_FORENSICS_PROFILE: 'evidence',
};
const SETTINGS: AwsSettings = { region: 'eu-central-1', profiles: { member: 'suspects', forensics: 'evidence' } };

describe('where the contract tests run', () => {
  test('in the lab, unless LAB=aws', () => {
    expect(isAws({})).toBe(false);
    expect(isAws({ LAB: 'lab' })).toBe(false);
    expect(isAws({ LAB: 'aws' })).toBe(true);
    expect(() => isAws({ LAB: 'azure' })).toThrow('LAB="azure" is no target of the contract tests');
  });

  test('on AWS only when the costs are accepted', () => {
    expect(awsSettings(ENVIRONMENT)).toEqual(SETTINGS);
    for (const answer of [undefined, '', 'no', 'true']) {
      const environment = { ...ENVIRONMENT, CONTRACT_I_ACCEPT_COSTS: answer };
      expect(() => awsSettings(environment)).toThrow('set CONTRACT_I_ACCEPT_COSTS=yes');
    }
  });

  test.each(['CONTRACT_REGION', 'CONTRACT_MEMBER_PROFILE', 'CONTRACT_FORENSICS_PROFILE'])(
    'on AWS only with %s',
    (variable) => {
      expect(() => awsSettings({ ...ENVIRONMENT, [variable]: undefined })).toThrow(`${variable} is not set: give `);
      expect(() => awsSettings({ ...ENVIRONMENT, [variable]: '' })).toThrow(`${variable} is not set: give `);
    },
  );

  test('on AWS only with two accounts', () => {
    const environment = { ...ENVIRONMENT, CONTRACT_FORENSICS_PROFILE: 'suspects' };
    expect(() => awsSettings(environment)).toThrow('both name "suspects"');
    expect(() => checkAccounts('111122223333', '111122223333')).toThrow('both profiles are of account 111122223333');
    expect(() => checkAccounts('111122223333', '444455556666')).not.toThrow();
  });

  test('on AWS in a subnet that is named', () => {
    const subnetId = 'subnet-0123';
    expect(awsSettings({ ...ENVIRONMENT, CONTRACT_SUBNET_ID: subnetId })).toEqual({ ...SETTINGS, subnetId });
  });
});

describe('the clients for AWS', () => {
  let folder: string;
  const before = { ...process.env };

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'contract-profiles-'));
    const profile = (name: string) => `[${name}]\naws_access_key_id = AKIA${name}\naws_secret_access_key = none\n`;
    await writeFile(path.join(folder, 'credentials'), profile('suspects') + profile('evidence'));
    await writeFile(path.join(folder, 'config'), '');
    process.env.AWS_SHARED_CREDENTIALS_FILE = path.join(folder, 'credentials');
    process.env.AWS_CONFIG_FILE = path.join(folder, 'config');
    delete process.env.AWS_ACCESS_KEY_ID;
    delete process.env.AWS_SECRET_ACCESS_KEY;
    delete process.env.AWS_ENDPOINT_URL;
  });

  afterAll(async () => {
    process.env = before;
    await rm(folder, { recursive: true, force: true });
  });

  test.each(['member', 'forensics'] as const)('of the %s account have its profile and the Region', async (which) => {
    const account = awsAccount(SETTINGS, which);
    const { dynamodb, ebs, ec2, iam, kms, s3, sns, ssm, sts } = account;
    for (const client of [dynamodb, ebs, ec2, iam, kms, s3, sns, ssm, sts]) {
      expect(await client.config.region()).toBe('eu-central-1');
      const { accessKeyId } = await client.config.credentials();
      expect(accessKeyId).toBe(`AKIA${SETTINGS.profiles[which]}`);
    }
    account.close();
  });

  test('go to AWS’s own endpoints', () => {
    const account = awsAccount(SETTINGS, 'member');
    const { hostname } = account.ec2.config.endpointProvider({ Region: 'eu-central-1' }).url;
    expect(hostname).toBe('ec2.eu-central-1.amazonaws.com');
    expect(account.ec2.config.endpoint).toBeUndefined();
    account.close();
  });
});
