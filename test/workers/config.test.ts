import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { ConfigurationError, loadConfig, parseConfig } from '../../workers/config';
import { DEFAULT_POLICY } from '../../domain/policy';

const document = {
  name: 'Forensics-ExamineDisk',
  arn: 'arn:aws:ssm:us-east-1:444455556666:document/Forensics-ExamineDisk',
  version: '1',
  sha256: 'a'.repeat(64),
};
const sound = {
  region: 'us-east-1',
  forensicsAccountId: '044455556666',
  memberRoles: { triage: 'ForensicsTriage', acquire: 'ForensicsAcquire', contain: 'ForensicsContain' },
  sharingKeyAlias: 'alias/forensics-sharing',
  evidenceKeyArn: 'arn:aws:kms:us-east-1:044455556666:key/1',
  sealingKeyArn: 'arn:aws:kms:us-east-1:044455556666:key/2',
  verifier: { key: 'verifier/verify.cjs', sha256: 'b'.repeat(64) },
  buckets: { staging: 's', evidence: 'e', tools: 't' },
  caseTable: 'forensic-cases',
  topicArn: 'arn:aws:sns:us-east-1:044455556666:forensics',
  documents: { acquireMemoryLinux: document, examineMemory: document, examineDisk: document, probeIsolation: document },
  memoryTools: [{ kind: 'program', name: 'avml', version: '0.21.0', key: 'k', sha256: 'b'.repeat(64) }],
  forensicInstance: { imageId: 'ami-1', instanceTypes: ['m6i.large'], subnetId: 'subnet-1', securityGroupId: 'sg-1' },
};
const problem = (change: object): string => {
  try {
    parseConfig(stringify({ ...sound, ...change }), 'forensics.yaml');
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message;
    throw error;
  }
  return '';
};

describe('the worker’s configuration', () => {
  test('takes safe defaults for what is left out', () => {
    const config = parseConfig(stringify(sound), 'forensics.yaml');
    expect(config.policy).toEqual(DEFAULT_POLICY);
    expect(config.policy.checkpoints.isolation.consent).toBe('required');
    expect(config.memoryPartSizeBytes).toBe(32 * 1024 ** 2);
  });

  test('names the file and every wrong field', () => {
    const message = problem({ region: 'moon', memoryPartSizeBytes: 1024, buckets: { staging: 's' } });
    for (const text of [
      'forensics.yaml',
      'region: must be an AWS Region',
      'memoryPartSizeBytes: S3 takes parts of 5 MiB',
      'buckets.evidence',
      'buckets.tools',
    ]) {
      expect(message).toContain(text);
    }
  });

  test('takes a ladder of tools, and refuses a kernel module without the kernel that it is built for', () => {
    const module = { ...sound.memoryTools[0], kind: 'kernel-module', name: 'lime' };
    const lime = { ...module, kernelRelease: '6.1.0-56-cloud-amd64' };
    const config = parseConfig(stringify({ ...sound, memoryTools: [...sound.memoryTools, lime] }), 'forensics.yaml');
    expect(config.memoryTools.map((tool) => tool.name)).toEqual(['avml', 'lime']);
    expect(problem({ memoryTools: [module] })).toContain('memoryTools.0.kernelRelease');
    expect(problem({ memoryTools: [{ ...lime, name: '-f' }] })).toContain('memoryTools.0.name');
    expect(problem({ memoryTools: [] })).toContain('name at least one acquisition tool');
  });

  test('takes canaries that the document takes too, and refuses the others', () => {
    const sane = {
      tcp: ['198.51.100.10:443', '[2001:db8::10]:443'],
      dns: ['canary.example.com'],
      icmp: ['2001:db8::10'],
    };
    const probed = parseConfig(stringify({ ...sound, isolationProbe: { canaries: sane } }), 'forensics.yaml');
    expect(probed.isolationProbe).toEqual({ canaries: sane });
    const refused = (change: object): string => problem({ isolationProbe: { canaries: { ...sane, ...change } } });
    expect(refused({ tcp: ['canary.example.com:443'] })).toContain('isolationProbe.canaries.tcp.0');
    expect(refused({ dns: ['a.example,b.example'] })).toContain('isolationProbe.canaries.dns.0');
    expect(refused({ icmp: ['-f'] })).toContain('isolationProbe.canaries.icmp.0');
    expect(refused({ icmp: Array(9).fill('198.51.100.10') })).toContain('at most 8');
  });

  test('takes a policy in it or in a file of its own, and names the line of what is wrong there', () => {
    const inline = parseConfig(stringify({ ...sound, policy: { version: 1, retentionDays: 7 } }), 'forensics.yaml');
    expect(inline.policy).toEqual({ ...DEFAULT_POLICY, retentionDays: 7 });
    expect(inline).not.toHaveProperty('policyFile');
    expect(problem({ policy: { version: 1, isolation: 'later' } })).toMatch(/:\d+:\d+ policy.isolation: is "later"/);

    const folder = mkdtempSync(path.join(tmpdir(), 'policy-file-'));
    const read = () =>
      parseConfig(stringify({ ...sound, policyFile: 'policy.yaml' }), path.join(folder, 'forensics.yaml'));
    try {
      expect(read).toThrow(/policyFile: .*policy.yaml cannot be read/);
      writeFileSync(path.join(folder, 'policy.yaml'), 'version: 1\nretentionDays: 8');
      expect(read().policy.retentionDays).toBe(8);
      writeFileSync(path.join(folder, 'policy.yaml'), 'version: 1\nretentionDays: 0');
      expect(read).toThrow(/policy.yaml:2:16 retentionDays: must be 1 or more/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('refuses a misspelt field instead of ignoring it', () => {
    expect(problem({ evidenceKeyArm: 'x' })).toContain('evidenceKeyArm');
  });

  test('refuses an account id that YAML has read as a number', () => {
    expect(problem({ forensicsAccountId: 44455556666 })).toMatch(/forensicsAccountId/);
  });

  test('says where YAML is broken', () => {
    expect(() => parseConfig('region: [', 'forensics.yaml')).toThrow(/forensics.yaml:1:10 the file: /);
  });

  test('says that FORENSICS_CONFIG is missing or unreadable', () => {
    expect(() => loadConfig({})).toThrow(/FORENSICS_CONFIG is not set/);
    expect(() => loadConfig({ FORENSICS_CONFIG: '/nowhere.yaml' })).toThrow(/nowhere.yaml cannot be read/);
  });
});
