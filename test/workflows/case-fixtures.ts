import { randomUUID } from 'node:crypto';
import type { CaseRequest } from '../../domain/case-request';
import type { Exhibit } from '../../domain/evidence';
import type { InstanceFacts, KeyFacts, VolumeFacts } from '../../domain/instance-facts';
import { DEFAULT_POLICY, type PolicyDecision } from '../../domain/policy';

const ACCOUNT = '111122223333';
const REGION = 'us-east-1';

/** `vol-0000000000000000<n>` */
export const volumeId = (n: number): string => `vol-${String(n).padStart(17, '0')}`;

/** A request for an instance of its own, so that cases never meet on the server that all test files share. */
export function caseRequest(changes: Partial<CaseRequest> = {}): CaseRequest {
  const unique = randomUUID().replaceAll('-', '').slice(0, 17);
  return {
    target: { accountId: ACCOUNT, region: REGION, instanceId: `i-${unique}` },
    finding: {
      id: 'finding-1',
      source: 'guardduty',
      type: 'Backdoor:EC2/C&CActivity.B!DNS',
      severity: 'high',
      title: 'The instance asks for a command-and-control domain',
      description: 'The instance asks for a domain that is known as a command-and-control server.',
      createdAt: '2026-11-22T07:00:00.000Z',
    },
    requestedAction: 'by-policy',
    openedBy: 'guardduty',
    receivedAt: '2026-11-22T07:01:00.000Z',
    ...changes,
  };
}

const AWS_KEY: KeyFacts = {
  keyArn: `arn:aws:kms:${REGION}:${ACCOUNT}:key/11111111-1111-1111-1111-111111111111`,
  manager: 'AWS',
  enabled: true,
  usableByForensics: false,
};
const SHARED_KEY: KeyFacts = { ...AWS_KEY, manager: 'CUSTOMER', usableByForensics: true };

/** Volumes 1, 2, 3 … : unencrypted, under a shareable key, under aws/ebs, and so on in turn. */
export function volumes(count: number): VolumeFacts[] {
  const keys = [undefined, SHARED_KEY, AWS_KEY];
  return Array.from({ length: count }, (_, index) => {
    const key = keys[index % keys.length];
    return {
      volumeId: volumeId(index + 1),
      device: `/dev/xvd${String.fromCharCode(97 + index)}`,
      root: index === 0,
      sizeGiB: 8,
      availabilityZone: `${REGION}a`,
      deleteOnTermination: true,
      ...(key && { key }),
    };
  });
}

export function instanceFacts(request: CaseRequest, changes: Partial<InstanceFacts> = {}): InstanceFacts {
  return {
    target: request.target,
    readAt: '2026-11-22T07:02:00.000Z',
    state: 'running',
    instanceType: 't3.micro',
    memoryMiB: 1024,
    architecture: 'x86_64',
    imageId: 'ami-00000000000000001',
    launchTime: '2026-11-01T00:00:00.000Z',
    availabilityZone: `${REGION}a`,
    tags: {},
    volumes: volumes(1),
    networkInterfaces: [
      {
        networkInterfaceId: 'eni-00000000000000001',
        vpcId: 'vpc-00000000000000001',
        subnetId: 'subnet-00000000000000001',
        groups: ['sg-00000000000000001'],
        privateIpAddresses: ['10.0.0.10'],
        publicAddresses: [],
        ipv6Addresses: [],
      },
    ],
    agent: { state: 'online', platform: 'Linux', platformName: 'Amazon Linux', platformVersion: '2023' },
    protection: { apiTerminationDisabled: false, apiStopDisabled: false, shutdownBehavior: 'stop' },
    ...changes,
  };
}

export function policyDecision(changes: Partial<PolicyDecision> = {}): PolicyDecision {
  const { checkpoints, containment, examinationProfile, deadlines, retentionDays } = DEFAULT_POLICY;
  return {
    acquireMemory: true,
    acquireDisks: true,
    isolation: 'after-memory',
    containment,
    examinationProfile,
    acquisitionConsent: checkpoints.acquisition,
    isolationConsent: { ...checkpoints.isolation, consent: 'not-required' },
    releaseConsent: checkpoints.release,
    roles: {},
    deadlines,
    retentionDays,
    reasons: ['severity high and no tag against it: memory and every disk are acquired'],
    ...changes,
  };
}

export const CONSENT_REQUIRED = DEFAULT_POLICY.checkpoints.isolation;

export function diskExhibit(volume: string, snapshotId: string, acquiredAt: string): Exhibit {
  return {
    id: volume,
    kind: 'disk',
    source: volume,
    sha256: 'd'.repeat(64),
    sizeBytes: 8 * 1024 ** 3,
    location: {
      snapshotId,
      accountId: '444455556666',
      region: REGION,
      keyArn: 'arn:aws:kms:us-east-1:444455556666:key/1',
    },
    acquiredAt,
    tool: { name: 'EBS direct APIs', version: '2019-11-02' },
    notes: ['every block of source and copy was compared'],
  };
}

export function memoryExhibit(instanceId: string): Exhibit {
  return {
    id: 'memory',
    kind: 'memory',
    source: instanceId,
    sha256: 'e'.repeat(64),
    sizeBytes: 1024 ** 3,
    location: { s3: { bucket: 'evidence', key: 'memory.lime', versionId: '1' } },
    acquiredAt: '2026-11-22T07:05:00.000Z',
    tool: { name: 'avml', version: '0.21.0', sha256: 'a'.repeat(64) },
    notes: [],
  };
}
