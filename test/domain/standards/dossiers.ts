import { appendEntry, emptyChain, headOf } from '../../../domain/custody/chain';
import type { CaseDossier } from '../../../domain/custody/dossier';
import type { CustodyDraft, CustodyEntry } from '../../../domain/custody/entry';
import type { Exhibit, MissingEvidence } from '../../../domain/evidence';
import type { InstanceFacts } from '../../../domain/instance-facts';

export const CASE_ID = 'i-0123456789abcdef0-20261122t073000z';
const MEMBER = '111122223333';
const FORENSICS = '444455556666';
const REGION = 'eu-central-1';
const INSTANCE = 'i-0123456789abcdef0';
const WORKER = { name: `arn:aws:iam::${MEMBER}:role/forensics-acquire`, knownBy: 'service' } as const;
const target = { accountId: MEMBER, region: REGION, instanceId: INSTANCE };

/** What a suspect may put into names and messages: markup, JSON, IRIs, direction marks, control characters, half a surrogate pair. */
export const HOSTILE =
  '"><script>alert(1)</script> [click](http://evil.example/) `code` |cell| \u0000\u0007\u001b[31m\u202eRTL\u2028line\n# heading\n\ud800 @id kb:Evil';

const digest = (digit: string): string => digit.repeat(64);
const minute = (at: number): string => `2026-11-22T07:${String(at).padStart(2, '0')}:00.000Z`;

function chainOf(drafts: Omit<CustodyDraft, 'entryId' | 'notify'>[]): CustodyEntry[] {
  let head = emptyChain(CASE_ID);
  return drafts.map((draft, index) => {
    const entry = appendEntry(head, { entryId: `entry-${index + 1}`, notify: false, ...draft });
    head = headOf(entry);
    return entry;
  });
}

const request = {
  target,
  finding: {
    id: 'finding-1',
    source: 'guardduty',
    type: 'Backdoor:EC2/C&CActivity.B!DNS',
    severity: 'high',
    title: `An instance asks for a known name ${HOSTILE}`,
    description: HOSTILE,
    createdAt: minute(0),
  },
  requestedAction: 'by-policy',
  openedBy: 'guardduty',
  receivedAt: minute(0),
} satisfies CaseDossier['request'];

const facts: InstanceFacts = {
  target,
  readAt: minute(1),
  state: 'running',
  instanceType: 't3.large',
  memoryMiB: 8192,
  architecture: 'x86_64',
  imageId: 'ami-0123456789abcdef0',
  launchTime: '2026-11-01T00:00:00.000Z',
  availabilityZone: `${REGION}a`,
  tags: { Name: HOSTILE },
  volumes: ['vol-0aaaaaaaaaaaaaaaa', 'vol-0bbbbbbbbbbbbbbbb', 'vol-0cccccccccccccccc'].map((volumeId, index) => ({
    volumeId,
    device: `/dev/xvd${'abc'[index] ?? ''}`,
    root: index === 0,
    sizeGiB: 8,
    availabilityZone: `${REGION}a`,
    deleteOnTermination: true,
  })),
  networkInterfaces: [
    {
      networkInterfaceId: 'eni-0aaaaaaaaaaaaaaaa',
      vpcId: 'vpc-0aaaaaaaaaaaaaaaa',
      subnetId: 'subnet-0aaaaaaaaaaaaaaaa',
      groups: ['sg-0aaaaaaaaaaaaaaaa'],
      privateIpAddresses: ['10.0.0.5'],
      publicAddresses: [{ address: '198.51.100.7', kind: 'elastic', privateIpAddress: '10.0.0.5' }],
      ipv6Addresses: ['2001:db8::5'],
    },
  ],
  agent: { state: 'online', platform: 'Linux', platformName: HOSTILE, platformVersion: '12' },
  protection: { apiTerminationDisabled: false, apiStopDisabled: false, shutdownBehavior: 'terminate' },
};

const evidence = (key: string) => ({
  bucket: 'forensics-evidence',
  key: `cases/${CASE_ID}/${key}`,
  versionId: 'version-1',
});

const disk = (volumeId: string, digit: string): Exhibit => ({
  id: volumeId,
  kind: 'disk',
  source: volumeId,
  sha256: digest(digit),
  sizeBytes: 8 * 1024 ** 3,
  location: {
    snapshotId: `snap-0${digit.repeat(16)}`,
    accountId: FORENSICS,
    region: REGION,
    keyArn: `arn:aws:kms:${REGION}:${FORENSICS}:key/evidence`,
  },
  acquiredAt: minute(3),
  tool: { name: 'Amazon EBS direct APIs', version: '1' },
  notes: ['every block of the source snapshot equals that of the forensic copy'],
  blocks: {
    blockSizeBytes: 524_288,
    count: 16_384,
    merkleRoot: digest('e'),
    list: { ...evidence(`disks/${volumeId}/blocks.jsonl`), sha256: digest('f'), sizeBytes: 1_000 },
  },
});

const memory: Exhibit = {
  id: 'memory',
  kind: 'memory',
  source: INSTANCE,
  sha256: digest('a'),
  sizeBytes: 8 * 1024 ** 3,
  location: { s3: evidence('memory/memory.lime') },
  acquiredAt: minute(2),
  tool: { name: 'AVML', version: '0.21.0', sha256: digest('9') },
  notes: ['the digest of the stream equals that of the image as it was read again in the forensics account'],
  companions: [{ ...evidence('memory/kernel.json'), sha256: digest('8'), sizeBytes: 900 }],
  attempts: [
    {
      number: 1,
      tool: 'LiME',
      outcome: 'image-rejected',
      reason: `the image has no banner ${HOSTILE}`,
      rejected: evidence('memory/rejected-1.lime'),
    },
  ],
  transfer: {
    partSizeBytes: 33_554_432,
    parts: 256,
    list: { ...evidence('memory/parts.txt'), sha256: digest('7'), sizeBytes: 20_000 },
    compared: true,
  },
};

const missing: MissingEvidence = {
  id: 'vol-0cccccccccccccccc',
  kind: 'disk',
  source: 'vol-0cccccccccccccccc',
  reason: `its key is disabled ${HOSTILE}`,
};

/** Memory and two disks, a third one missing, an isolation that a person approved, examinations, hostile words everywhere. */
export function richDossier(): CaseDossier {
  const authority = { checkpoint: 'isolation', planHash: digest('d') };
  const disks = [disk('vol-0aaaaaaaaaaaaaaaa', 'b'), disk('vol-0bbbbbbbbbbbbbbbb', 'c')];
  const exhibitOf = ({ id, kind, source }: { id: string; kind: 'memory' | 'disk'; source: string }) => ({
    exhibit: { id, kind, source },
  });
  const document = { name: 'forensics-acquire-memory-linux', version: '3', sha256: digest('5') };
  const call = (name: string, requestId: string) => ({
    awsCalls: [{ call: name, requestId, accountId: MEMBER }],
  });
  const timeline = { ...evidence('timeline.jsonl'), sha256: digest('4'), sizeBytes: 5_000 };
  const decision = {
    checkpoint: 'isolation',
    verdict: 'approve',
    approver: 'ann',
    reason: HOSTILE,
    planHash: authority.planHash,
    decidedAt: minute(20),
    door: 'update',
    knownBy: 'proven',
  } as const;

  const entries = chainOf([
    {
      kind: 'case-opened',
      at: minute(0),
      message: `case opened: ${HOSTILE}`,
      actor: { name: 'guardduty', knownBy: 'claimed' },
    },
    { kind: 'phase-started', phase: 'protection', at: minute(1), message: 'protection started', actor: WORKER },
    {
      kind: 'act',
      step: 'protectInstance',
      at: minute(1),
      message: `termination protection of ${INSTANCE} was switched on; it was off`,
      actor: WORKER,
      ...call('ec2:ModifyInstanceAttribute', 'request-1'),
      data: { changesSuspect: true, change: 'termination protection', reversible: true },
    },
    {
      kind: 'act',
      step: 'acquireMemory',
      phase: 'acquisition',
      at: minute(2),
      message: `the memory was read and streamed out ${HOSTILE}`,
      actor: WORKER,
      tool: { ...memory.tool, arguments: ['acquire', HOSTILE] },
      sha256: memory.sha256,
      document,
      clockOffsetSeconds: -3,
      ...call('ssm:SendCommand', 'request-2'),
      data: { changesSuspect: true, change: 'memory taken up by the acquisition', reversible: false },
    },
    {
      kind: 'acquisition-attempt-failed',
      phase: 'acquisition',
      at: minute(4),
      message: HOSTILE,
      actor: WORKER,
    },
    ...[memory, ...disks].map((one, index) => ({
      kind: 'exhibit-acquired' as const,
      phase: 'acquisition' as const,
      at: minute(10 + index),
      message: `${one.kind} of ${one.source} acquired, SHA-256 ${one.sha256}`,
      actor: WORKER,
      ...exhibitOf(one),
      tool: one.tool,
      sha256: one.sha256,
    })),
    {
      kind: 'evidence-missing',
      phase: 'acquisition',
      at: minute(13),
      message: `disk of ${missing.source} could not be acquired: ${missing.reason}`,
      actor: WORKER,
      ...exhibitOf(missing),
    },
    {
      kind: 'act',
      step: 'lockSnapshot',
      at: minute(14),
      message: 'the forensic snapshot was locked',
      actor: { ...WORKER, name: `arn:aws:iam::${FORENSICS}:role/forensics-worker` },
      ...exhibitOf(disks[0]!),
      awsCalls: [{ call: 'ec2:LockSnapshot', requestId: 'request-3', accountId: FORENSICS }],
      sha256: digest('2'),
    },
    {
      kind: 'decision-taken',
      at: minute(20),
      message: `isolation approved by ann (update): ${HOSTILE}`,
      actor: { name: 'arn:aws:sts::111122223333:assumed-role/responder/ann', knownBy: 'proven' },
      authority,
      data: { checkpoint: 'isolation', verdict: 'approve', approver: 'ann' },
    },
    {
      kind: 'act',
      step: 'isolate',
      at: minute(21),
      message: `groups of eni-0aaaaaaaaaaaaaaaa changed | from sg-1 to sg-2`,
      actor: WORKER,
      authority,
      ...call('ec2:ModifyNetworkInterfaceAttribute', 'request-4'),
      data: { changesSuspect: true, change: `network groups ${HOSTILE}`, reversible: true },
    },
    { kind: 'contained', phase: 'containment', at: minute(22), message: 'isolated', actor: WORKER, authority },
    {
      kind: 'examined',
      phase: 'examination',
      at: minute(40),
      message: 'examination of vol-0aaaaaaaaaaaaaaaa succeeded',
      actor: WORKER,
      data: { exhibit: 'vol-0aaaaaaaaaaaaaaaa' },
    },
    { kind: 'case-closed', at: minute(50), message: `case closed ${HOSTILE}`, actor: WORKER },
  ]);

  return {
    request,
    facts,
    plan: null,
    outcome: {
      caseId: CASE_ID,
      workflowId: `${MEMBER}.${REGION}.${INSTANCE}`,
      outcome: 'partial',
      reasons: [`disk of ${missing.source} could not be acquired: ${missing.reason}`],
      phases: [
        { name: 'protection', startedAt: minute(1), endedAt: minute(2), outcome: 'succeeded' },
        { name: 'acquisition', startedAt: minute(2), endedAt: minute(14), outcome: 'partial', reason: HOSTILE },
        { name: 'containment', startedAt: minute(20), endedAt: minute(22), outcome: 'succeeded' },
        { name: 'examination', startedAt: minute(22), outcome: 'running' },
        { name: 'report', startedAt: minute(22), endedAt: minute(22), outcome: 'skipped' },
      ],
      exhibits: [memory, ...disks],
      missing: [missing],
      examinations: [
        {
          exhibit: 'vol-0aaaaaaaaaaaaaaaa',
          kind: 'disk',
          outcome: 'succeeded',
          findings: [],
          tools: [
            {
              tool: 'plaso',
              version: '20260720',
              outcome: 'succeeded',
              records: 10,
              seconds: 1.5,
              output: { ...evidence('examinations/plaso.jsonl'), sha256: digest('1'), sizeBytes: 10 },
            },
            { tool: 'yara-x', version: '1.23.0', outcome: 'failed', records: 0, seconds: 0, note: HOSTILE },
          ],
          timeline: { ...timeline, events: 10 },
        },
      ],
      decisions: [decision],
      report: { ...evidence('report.html'), sha256: digest('0'), sizeBytes: 20_000 },
    },
    manifest: {
      caseId: CASE_ID,
      exhibits: [{ ...memory, path: 'evidence/memory/memory.lime' }, ...disks],
      missing: [missing],
      derived: [
        {
          path: 'evidence/memory/memory.lime',
          from: [`arn:aws:ec2:${REGION}:${MEMBER}:instance/${INSTANCE}`],
          tool: { name: 'AVML', version: '0.21.0' },
        },
        {
          path: `arn:aws:ec2:${REGION}::snapshot/snap-0123456789abcdef0`,
          from: [`arn:aws:ec2:${REGION}:${MEMBER}:volume/vol-0aaaaaaaaaaaaaaaa`],
          tool: { name: 'ec2:CreateSnapshots', version: '2016-11-15' },
        },
        {
          path: `arn:aws:ec2:${REGION}::snapshot/snap-0bbbbbbbbbbbbbbbb`,
          from: [`arn:aws:ec2:${REGION}::snapshot/snap-0123456789abcdef0`],
          tool: { name: 'ec2:CopySnapshot', version: '2016-11-15' },
        },
        {
          path: 'evidence/timelines/timeline.jsonl',
          from: [`arn:aws:ec2:${REGION}::snapshot/snap-0bbbbbbbbbbbbbbbb`],
          tool: { name: 'plaso', version: '20260720', arguments: ['--partitions', 'all', HOSTILE] },
        },
        {
          path: 'both.jsonl',
          from: ['evidence/timelines/timeline.jsonl', 'evidence/memory/memory.lime'],
          tool: { name: 'psort', version: '20260720' },
        },
        { path: HOSTILE, from: [HOSTILE, 'of unknown origin'], tool: { name: HOSTILE, version: HOSTILE } },
      ],
      decisions: [decision],
    },
    entries,
  };
}

/** A person said no before anything was done; the instance could not even be read. */
export function declinedDossier(): CaseDossier {
  const decision = {
    checkpoint: 'acquisition',
    verdict: 'reject',
    approver: 'bob',
    planHash: digest('d'),
    decidedAt: minute(5),
    door: 'signal',
    knownBy: 'claimed',
  } as const;
  return {
    request,
    facts: null,
    plan: null,
    outcome: {
      caseId: CASE_ID,
      workflowId: `${MEMBER}.${REGION}.${INSTANCE}`,
      outcome: 'declined',
      reasons: [],
      phases: [],
      exhibits: [],
      missing: [],
      examinations: [],
      decisions: [decision],
    },
    manifest: { caseId: CASE_ID, exhibits: [], missing: [], derived: [], decisions: [decision] },
    entries: chainOf([
      { kind: 'case-opened', at: minute(0), message: 'case opened', actor: { name: 'guardduty', knownBy: 'claimed' } },
      {
        kind: 'decision-taken',
        at: minute(5),
        message: 'acquisition rejected by bob',
        actor: { name: 'bob', knownBy: 'claimed' },
        authority: { checkpoint: 'acquisition', planHash: digest('d') },
      },
    ]),
  };
}
