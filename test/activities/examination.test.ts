/* eslint-disable @typescript-eslint/unbound-method -- activities are closures; a worker takes them one by one too */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import {
  CreateSubnetCommand,
  CreateSecurityGroupCommand,
  CreateVpcCommand,
  RegisterImageCommand,
} from '@aws-sdk/client-ec2';
import {
  CreateSnapshotCommand,
  CreateVolumeCommand,
  DescribeInstancesCommand,
  DescribeVolumesCommand,
} from '@aws-sdk/client-ec2';
import { GetObjectCommand, ListObjectVersionsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { ListCommandsCommand } from '@aws-sdk/client-ssm';
import { AwsClients } from '../../activities/aws/clients';
import { createExaminationActivities } from '../../activities/examination';
import type { ExaminationActivities, StartedExamination } from '../../activities/types';
import type { Exhibit } from '../../domain/evidence';
import { type ExaminationResult, FINDINGS_KEPT_IN_HISTORY } from '../../domain/examination';
import { MEMORY_PLUGINS } from '../../domain/findings-memory-plugins';
import { LAB_ACCOUNTS, LAB_REGION } from '../../lab/config';
import { loadDocuments } from '../../ssm-documents/documents';
import { actsOf } from './acts';
import { CASE_ID as caseId, type CommandLab, runActivity, scriptDocument, startCommandLab } from './command-lab';
import { startExpiringUrls } from './expiring-urls';
import { sha256 } from './memory-fixture';

const region = LAB_REGION;
let lab: CommandLab;
let activities: ExaminationActivities;
let instance: { instanceId: string; availabilityZone: string };

/** Uploads what the manifest's input says, as its own result: enough to see that URLs work and nothing else is needed. */
const EXAMINE = String.raw`
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
curl -sSf "$MANIFEST_URL" -o "$work/manifest"
input=$(awk '$1 == "input" {print $5}' "$work/manifest")
curl -sSf "$input" -o "$work/image"
echo '{"PID": 1, "COMM": "systemd"}' > "$work/rows"
url() { awk -v name="$1" '$1 == "output" && $2 == name {print $3}' "$work/manifest"; }
curl -sSf -T "$work/rows" "$(url linux.pslist.jsonl)"
digest=$(sha256sum < "$work/rows"); size=$(wc -c < "$work/rows")
printf '{"form":1,"case":"%s","exhibit":"%s","outcome":"succeeded","tools":[{"tool":"linux.pslist","version":"2.28.2","outcome":"succeeded","records":1,"seconds":1,"output":"linux.pslist.jsonl","sha256":"%s","sizeBytes":%d}]}' \
  "{{ CaseId }}" "{{ ExhibitId }}" "${'$'}{digest%% *}" "$size" > "$work/summary.json"
curl -sSf -T "$work/summary.json" "$(url summary.json)"
digest=$(sha256sum < "$work/summary.json")
echo "FORENSICS-RESULT {\"outcome\":\"succeeded\",\"tools\":1,\"summarySha256\":\"${'$'}{digest%% *}\"}"
`;
/** Says of a summary, which the test has put into staging, whatever digest stands in the Plugins parameter. */
const ANNOUNCE = `echo 'FORENSICS-RESULT {"outcome":"succeeded","tools":1,"summarySha256":"{{ Plugins }}"}'`;

beforeAll(async () => {
  lab = await startCommandLab();
  const { ec2 } = lab.aws.forensics;
  const { Vpc } = await ec2.send(new CreateVpcCommand({ CidrBlock: '10.99.0.0/16' }));
  const { Subnet } = await ec2.send(
    new CreateSubnetCommand({ VpcId: Vpc!.VpcId, CidrBlock: '10.99.1.0/24', AvailabilityZone: `${LAB_REGION}a` }),
  );
  const { GroupId } = await ec2.send(
    new CreateSecurityGroupCommand({ VpcId: Vpc!.VpcId, GroupName: 'forensic', Description: 'forensic' }),
  );
  const { ImageId } = await ec2.send(
    new RegisterImageCommand({
      Name: 'forensic image',
      RootDeviceName: '/dev/xvda',
      BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 1, DeleteOnTermination: true } }],
    }),
  );
  lab.config.forensicInstance = {
    imageId: ImageId!,
    instanceTypes: ['m6i.large', 'm5.large'],
    subnetId: Subnet!.SubnetId!,
    securityGroupId: GroupId!,
  };
  lab.config.documents.examineMemory = await lab.publish('Test-Examine', scriptDocument(EXAMINE));
  activities = createExaminationActivities({ config: lab.config, clients: lab.clients });
});
afterAll(() => lab.stop());
afterEach(() => lab.aws.lab.clearFaults());

async function memoryExhibit(): Promise<Exhibit> {
  const image = 'an image';
  const key = `cases/${caseId}/memory/memory.lime`;
  const Bucket = lab.config.buckets.evidence;
  const put = await lab.aws.forensics.s3.send(
    new PutObjectCommand({ Bucket, Key: key, Body: image, ChecksumAlgorithm: 'SHA256' }),
  );
  return {
    id: 'memory',
    kind: 'memory',
    source: 'i-1',
    sha256: sha256(image),
    sizeBytes: image.length,
    location: { s3: { bucket: Bucket, key, versionId: put.VersionId! } },
    acquiredAt: '2026-11-22T07:30:00.000Z',
    tool: { name: 'avml', version: '0' },
    notes: [],
  };
}

async function diskExhibit(): Promise<Exhibit> {
  const { ec2 } = lab.aws.forensics;
  const { VolumeId } = await ec2.send(new CreateVolumeCommand({ AvailabilityZone: `${LAB_REGION}a`, Size: 1 }));
  const { SnapshotId } = await ec2.send(new CreateSnapshotCommand({ VolumeId }));
  return {
    ...(await memoryExhibit()),
    id: VolumeId!,
    kind: 'disk',
    source: VolumeId!,
    location: { snapshotId: SnapshotId!, accountId: LAB_ACCOUNTS.forensics, region, keyArn: lab.config.evidenceKeyArn },
  };
}

const instancesOf = async (exhibitId: string) => {
  const { Reservations } = await lab.aws.forensics.ec2.send(
    new DescribeInstancesCommand({ Filters: [{ Name: 'tag:forensics:exhibit', Values: [exhibitId] }] }),
  );
  return Reservations!.flatMap((reservation) => reservation.Instances!);
};

describe('the forensic instance', () => {
  it('is launched once, tagged, without public address and with tokens required for metadata', async () => {
    const exhibit = await diskExhibit();
    const first = await runActivity(activities.launchForensicInstance, { caseId, region, exhibit });
    expect(await runActivity(activities.launchForensicInstance, { caseId, region, exhibit }, 2)).toEqual(first);
    const instances = await instancesOf(exhibit.id);
    expect(instances).toHaveLength(1);
    expect(instances[0]).toMatchObject({ InstanceId: first.instanceId, InstanceType: 'm6i.large' });
    expect(instances[0]!.MetadataOptions!.HttpTokens).toBe('required');
    expect(Object.fromEntries(instances[0]!.Tags!.map((tag) => [tag.Key, tag.Value]))).toMatchObject({
      'forensics:case': caseId,
      'forensics:exhibit': exhibit.id,
      'forensics:role': 'examination',
    });
    await runActivity(activities.releaseForensicInstance, { caseId, region, exhibitId: exhibit.id });
  });

  it('takes the next type when one has no capacity, and tries again later when none has', async () => {
    const exhibit = await diskExhibit();
    await lab.aws.lab.setFaults([
      {
        service: 'ec2',
        action: 'RunInstances',
        code: 'InsufficientInstanceCapacity',
        match: { InstanceType: 'm6i.large' },
        times: 10,
      },
    ]);
    await runActivity(activities.launchForensicInstance, { caseId, region, exhibit });
    expect((await instancesOf(exhibit.id)).map((one) => one.InstanceType)).toEqual(['m5.large']);
    await runActivity(activities.releaseForensicInstance, { caseId, region, exhibitId: exhibit.id });

    await lab.aws.lab.setFaults([
      { service: 'ec2', action: 'RunInstances', code: 'InsufficientInstanceCapacity', times: 20 },
    ]);
    await expect(
      runActivity(activities.launchForensicInstance, { caseId, region, exhibit: await diskExhibit() }),
    ).rejects.toMatchObject({ type: 'Unavailable', nonRetryable: false, message: expect.stringContaining('m5.large') });
  });

  it('gets the evidence volume once, and all of it is released, twice if need be', async () => {
    const exhibit = await diskExhibit();
    const host = await runActivity(activities.launchForensicInstance, { caseId, region, exhibit });
    const volume = await runActivity(activities.createEvidenceVolume, { caseId, region, exhibit, instance: host });
    expect(await runActivity(activities.createEvidenceVolume, { caseId, region, exhibit, instance: host })).toEqual(
      volume,
    );
    const attach = { caseId, region, instance: host, volume };
    // Its answer gets lost, so the SDK asks again by itself, and hears that the volume is in use.
    await lab.aws.lab.setFaults([{ service: 'ec2', action: 'AttachVolume', code: 'InternalError', when: 'after' }]);
    await runActivity(activities.attachEvidenceVolume, attach);
    const again = await actsOf(() => runActivity(activities.attachEvidenceVolume, attach, 2));
    expect(again).toMatchObject([{ message: expect.stringContaining('by an earlier attempt') }]);
    const { Volumes } = await lab.aws.forensics.ec2.send(new DescribeVolumesCommand({ VolumeIds: [volume.volumeId] }));
    expect(Volumes![0]!.Attachments).toMatchObject([
      { InstanceId: host.instanceId, Device: '/dev/sdf', State: 'attached' },
    ]);

    const release = { caseId, region, exhibitId: exhibit.id };
    const acts = await actsOf(() => runActivity(activities.releaseForensicInstance, release));
    expect(acts.flatMap(({ message, awsCalls }) => awsCalls.map(({ call }) => [message.split(':')[0], call]))).toEqual(
      expect.arrayContaining([
        [`The forensic instance of exhibit ${exhibit.id} is ended`, 'ec2:TerminateInstances'],
        [expect.stringMatching(`^Working volume ${volume.volumeId} is deleted;`), 'ec2:DeleteVolume'],
      ]),
    );
    expect((await instancesOf(exhibit.id)).map((one) => one.State!.Name)).toEqual(['terminated']);
    await expect(
      lab.aws.forensics.ec2.send(new DescribeVolumesCommand({ VolumeIds: [volume.volumeId] })),
    ).rejects.toMatchObject({ name: 'InvalidVolume.NotFound' });
    // As after a worker that ended them and died: the log is told all the same.
    const later = await actsOf(() => runActivity(activities.releaseForensicInstance, release, 2));
    expect(later).toMatchObject([{ message: expect.stringContaining('no forensic instance runs'), awsCalls: [] }]);
  });

  it('of another Region is not started here', async () => {
    await expect(
      runActivity(activities.launchForensicInstance, { caseId, region: 'eu-west-1', exhibit: await diskExhibit() }),
    ).rejects.toMatchObject({ type: 'InvalidRequest', nonRetryable: true });
  });
});

describe('an examination', () => {
  beforeAll(async () => {
    const exhibit = await memoryExhibit();
    instance = await runActivity(activities.launchForensicInstance, { caseId, region, exhibit });
    await expect(runActivity(activities.awaitForensicInstance, { caseId, region, instance })).rejects.toMatchObject({
      type: 'NotReady',
      nonRetryable: false,
    });
    await lab.startAgent(instance.instanceId, 'forensics');
    await runActivity(activities.awaitForensicInstance, { caseId, region, instance });
  });

  it('runs once from pre-signed URLs alone, and its outputs become evidence', async () => {
    const exhibit = await memoryExhibit();
    const begin = { caseId, region, exhibit, instance, deadlineSeconds: 60 };
    const examination = await runActivity(activities.startExamination, begin);
    expect(await runActivity(activities.startExamination, begin, 2)).toEqual(examination);
    expect(examination.outputs).toEqual(['summary.json', ...MEMORY_PLUGINS.map((plugin) => `${plugin}.jsonl`)]);
    await runActivity(activities.awaitExamination, { caseId, region, examination });
    const collect = { caseId, region, exhibit, examination, retentionDays: 1 };
    let result = {} as ExaminationResult;
    const acts = await actsOf(async () => (result = await runActivity(activities.collectExamination, collect)));
    expect(acts.map(({ message, sha256: digest }) => [message, digest])).toEqual([
      [
        expect.stringMatching(/^Kept write-once: The summary of the examination of exhibit memory, as/),
        expect.any(String),
      ],
      [
        expect.stringMatching(/^Kept write-once: Output linux\.pslist\.jsonl of linux\.pslist on/),
        result.tools[0]!.output!.sha256,
      ],
      [expect.stringMatching(/^Kept write-once: The \d+ findings that the rules made/), result.allFindings!.sha256],
    ]);
    expect(result).toMatchObject({
      exhibit: 'memory',
      kind: 'memory',
      outcome: 'succeeded',
      tools: [{ tool: 'linux.pslist', output: { key: `cases/${caseId}/examination/memory/linux.pslist.jsonl` } }],
      allFindings: { key: `cases/${caseId}/examination/memory/findings.json` },
    });
    expect(await runActivity(activities.collectExamination, collect, 2)).toEqual(result);
    const { Versions } = await lab.aws.forensics.s3.send(
      new ListObjectVersionsCommand({ Bucket: lab.config.buckets.evidence, Prefix: `cases/${caseId}/examination/` }),
    );
    expect(Versions!.map((version) => version.Key!.split('/').at(-1)).sort()).toEqual([
      'findings.json',
      'linux.pslist.jsonl',
      'summary.json',
    ]);
    expect(JSON.stringify([examination, result])).not.toMatch(/https?:|X-Amz/);
    const { Commands } = await lab
      .runCommand('forensics')
      .send(new ListCommandsCommand({ InstanceId: instance.instanceId }));
    const own = Commands!.filter((command) => command.DocumentName === 'Test-Examine');
    expect(own).toHaveLength(1);
    expect(JSON.stringify(own[0]!.Parameters).match(/X-Amz-Signature/g)).toHaveLength(1);
  });
});

describe('an examination that lasts longer than its URLs', () => {
  /** Stand where the forensic image's tools stand; the first plugin takes longer than a URL lives here. */
  const STAND_INS = {
    'forensic-symbols': `#!/bin/sh\necho '{"kernel": "6.1.0", "fiveLevelPaging": false}'\n`,
    vol: `#!/bin/sh
echo 'Volatility 3 Framework 2.28.2' >&2
case "$*" in *linux.pslist*) sleep 24 ;; esac
echo '{"PID": 1, "COMM": "systemd"}'
`,
  };

  it('uploads to URLs that the worker renewed, and the document fetched, while it ran', async () => {
    const tools = path.join(lab.folder, 'tools');
    await mkdir(tools);
    for (const [name, script] of Object.entries(STAND_INS)) {
      await writeFile(path.join(tools, name), script, { mode: 0o755 });
    }
    const urls = await startExpiringUrls(lab.aws.emulator.url);
    const endpoint = process.env.AWS_ENDPOINT_URL;
    process.env.AWS_ENDPOINT_URL = urls.url;
    const clients = new AwsClients(lab.config);
    try {
      const { name, content } = loadDocuments().find(({ key }) => key === 'examineMemory')!;
      const config = {
        ...lab.config,
        documents: { ...lab.config.documents, examineMemory: await lab.publish(name, content) },
      };
      const own = createExaminationActivities({
        config,
        clients,
        renewal: { urlSeconds: 15, everyMs: 3_000, parts: 64 },
      });
      const exhibit = { ...(await memoryExhibit()), id: 'slow' };
      const host = await runActivity(own.launchForensicInstance, { caseId, region, exhibit });
      await lab.startAgent(host.instanceId, 'forensics', { FORENSIC_TOOLS: tools, FORENSICS_MANIFEST_INTERVAL: '1' });
      const start = { caseId, region, exhibit, instance: host, deadlineSeconds: 120 };
      const examination = await runActivity(own.startExamination, start);
      await runActivity(own.awaitExamination, { caseId, region, examination });
      const collect = { caseId, region, exhibit, examination, retentionDays: 1 };
      const result = await runActivity(own.collectExamination, collect);
      expect(result).toMatchObject({ outcome: 'succeeded' });
      expect(result.tools.map(({ tool }) => tool)).toEqual(['forensic-symbols', ...MEMORY_PLUGINS]);

      // What the first manifest gave was of no use any more.
      const key = `${examination.staging.prefix}/manifests/first.txt`;
      const first = await lab.aws.forensics.s3.send(new GetObjectCommand({ Bucket: config.buckets.staging, Key: key }));
      const expired = /^output summary\.json (\S+)$/m.exec(await first.Body!.transformToString())![1]!;
      expect((await fetch(expired, { method: 'PUT', body: 'late' })).status).toBe(403);
    } finally {
      process.env.AWS_ENDPOINT_URL = endpoint;
      clients.destroy();
      await urls.stop();
    }
  }, 120_000);
});

describe('results that a hostile exhibit made', () => {
  const rows = '{"PID": 1}\n';
  const run = {
    tool: 'linux.bash',
    version: '2.28.2',
    outcome: 'succeeded',
    records: 1,
    seconds: 1,
    output: 'linux.bash.jsonl',
    sha256: sha256(rows),
    sizeBytes: rows.length,
  };
  const summaryOf = (changes: object) => ({
    form: 1,
    case: caseId,
    exhibit: 'x',
    outcome: 'succeeded',
    tools: [run],
    ...changes,
  });
  let number = 0;

  /** Stages a summary and outputs as a document would have, and collects them. */
  async function collect(summary: unknown, outputs: Record<string, string | Buffer>, announced?: string) {
    const id = `x${(number += 1)}`;
    const text = (typeof summary === 'string' ? summary : JSON.stringify(summary)).replaceAll('"x"', `"${id}"`);
    const prefix = `${caseId}/${id}/examination`;
    const bucket = lab.config.buckets.staging;
    for (const [name, body] of Object.entries({ ...outputs, 'summary.json': text })) {
      await lab.aws.forensics.s3.send(new PutObjectCommand({ Bucket: bucket, Key: `${prefix}/${name}`, Body: body }));
    }
    const document = await lab.publish(
      `Test-Announce-${id}`,
      scriptDocument(ANNOUNCE.replace('{{ Plugins }}', announced ?? sha256(text))),
    );
    const config = { ...lab.config, documents: { ...lab.config.documents, examineMemory: document } };
    const own = createExaminationActivities({ config, clients: lab.clients });
    const exhibit = { ...(await memoryExhibit()), id };
    const started: StartedExamination = await runActivity(own.startExamination, {
      caseId,
      region,
      exhibit,
      instance,
      deadlineSeconds: 60,
    });
    await runActivity(own.awaitExamination, { caseId, region, examination: started });
    const examination = { ...started, outputs: [...started.outputs, 'timeline.jsonl.gz'] };
    return runActivity(own.collectExamination, { caseId, region, exhibit, examination, retentionDays: 1 });
  }
  const collected = (changes: object, outputs: Record<string, string | Buffer> = { 'linux.bash.jsonl': rows }) =>
    collect(summaryOf(changes), outputs);

  it.each([
    ['a digest that is not the output’s', { tools: [{ ...run, sha256: sha256('other') }] }, 'EvidenceMismatch'],
    ['a size that is not the output’s', { tools: [{ ...run, sizeBytes: 1 }] }, 'EvidenceMismatch'],
    ['an output that never arrived', { tools: [{ ...run, output: 'linux.envars.jsonl' }] }, 'EvidenceMismatch'],
    ['another case', { case: 'i-9' }, 'EvidenceMismatch'],
    ['another exhibit', { exhibit: 'y' }, 'EvidenceMismatch'],
    ['a wrong shape', { tools: 'none' }, 'EvidenceUnusable'],
    ['thousands of tools', { tools: Array.from({ length: 2_000 }, () => run) }, 'EvidenceUnusable'],
    ['more bytes than are read', { padding: 'x'.repeat(600 * 1024) }, 'EvidenceUnusable'],
  ])('a summary with %s is refused', async (_what, changes, type) => {
    await expect(collected(changes)).rejects.toMatchObject({ type, nonRetryable: true });
  });

  it('an image of which nothing can be read is ImageUnreadable, so that another one may be taken', async () => {
    const script = "echo 'FORENSICS-FAILURE unreadable-image Volatility finds no process 1.'\nexit 1";
    const examineMemory = await lab.publish('Test-Unreadable', scriptDocument(script));
    const config = { ...lab.config, documents: { ...lab.config.documents, examineMemory } };
    const own = createExaminationActivities({ config, clients: lab.clients });
    const exhibit = { ...(await memoryExhibit()), id: 'unreadable' };
    const started = { caseId, region, exhibit, instance, deadlineSeconds: 60 };
    const examination = await runActivity(own.startExamination, started);
    await expect(runActivity(own.awaitExamination, { caseId, region, examination })).rejects.toMatchObject({
      type: 'ImageUnreadable',
      nonRetryable: true,
      message: expect.stringContaining('no process 1'),
    });
  });

  it('a summary that is no JSON, or not the one that was announced, is refused', async () => {
    await expect(collect('{"form":', {})).rejects.toMatchObject({ type: 'EvidenceUnusable' });
    await expect(collect(summaryOf({}), {}, sha256('other'))).rejects.toMatchObject({ type: 'EvidenceMismatch' });
  });

  it('an output outside the manifest is not taken; the rest is', async () => {
    const result = await collected({ tools: [{ ...run, output: '../../memory/memory.lime' }, run] });
    expect(result.outcome).toBe('partial');
    expect(result.tools.map((tool) => tool.outcome)).toEqual(['failed', 'succeeded']);
    expect(result.tools[0]!.output).toBeUndefined();
  });

  it('lines that are no JSON are counted and cost nothing else', async () => {
    const broken = '{"PID": 1}\n{"PID": \nnot json\n{"PID": 2}';
    const tools = [{ ...run, sha256: sha256(broken), sizeBytes: broken.length }];
    const result = await collected({ tools }, { 'linux.bash.jsonl': broken });
    expect(result).toMatchObject({ outcome: 'partial', reason: expect.stringContaining('2 lines of linux.bash') });
  });

  it('keeps the gravest findings in the result and every one in the evidence bucket', async () => {
    const lines = Array.from({ length: 300 }, (_, index) =>
      JSON.stringify({ PID: index + 2, PPID: 1, COMM: `evil${index}`, ARGS: `/tmp/.x${index}` }),
    ).join('\n');
    const tools = [
      { ...run, tool: 'linux.psaux', output: 'linux.psaux.jsonl', sha256: sha256(lines), sizeBytes: lines.length },
    ];
    const result = await collected({ tools }, { 'linux.psaux.jsonl': lines });
    expect(result.findings).toHaveLength(FINDINGS_KEPT_IN_HISTORY);
    expect(result.allFindings!.count).toBeGreaterThan(FINDINGS_KEPT_IN_HISTORY);
    const { Body } = await lab.aws.forensics.s3.send(
      new GetObjectCommand({ Bucket: result.allFindings!.bucket, Key: result.allFindings!.key }),
    );
    const text = await Body!.transformToString();
    expect(sha256(text)).toBe(result.allFindings!.sha256);
    expect(JSON.parse(text)).toHaveLength(result.allFindings!.count);
  });

  it('a timeline is unpacked, counted and located; one that unpacks to a bomb is refused', async () => {
    const packed = gzipSync('{"timestamp": 1}\n{"timestamp": 2}\n');
    const timeline = (bytes: Buffer) => ({
      tools: [{ ...run, tool: 'psort', output: 'timeline.jsonl.gz', sha256: sha256(bytes), sizeBytes: bytes.length }],
    });
    const result = await collected(timeline(packed), { 'timeline.jsonl.gz': packed });
    expect(result.timeline).toMatchObject({ events: 2, sha256: sha256(packed) });
    const bomb = gzipSync(Buffer.alloc(120 * 1024 ** 2));
    await expect(collected(timeline(bomb), { 'timeline.jsonl.gz': bomb })).rejects.toMatchObject({
      type: 'EvidenceUnusable',
      message: expect.stringContaining('unpacks'),
    });
    const text = Buffer.from('no gzip');
    await expect(collected(timeline(text), { 'timeline.jsonl.gz': text })).rejects.toMatchObject({
      type: 'EvidenceUnusable',
    });
  });
});
