import type { Exhibit, S3Location } from '../evidence';
import type { CaseOutcome } from '../outcome';
import type { InstanceTarget } from '../target';
import type { DerivedFile } from './bundle';
import type { CustodyEntry } from './entry';
import { type EvidenceFile, placeOf } from './evidence-files';

/**
 * How everything that a case holds came to be, from the suspect on: timeline ← snapshot copy ← snapshot ← volume, tool output ←
 * memory image ← instance. Only what the case has recorded is told.
 */
export function provenanceOf(
  outcome: CaseOutcome,
  target: InstanceTarget,
  entries: readonly CustodyEntry[],
  files: readonly EvidenceFile[],
): DerivedFile[] {
  const pathOf = (object: S3Location): string | undefined => placeOf(object, files);
  const originOf = new Map(
    outcome.exhibits.map((exhibit) => [
      exhibit.id,
      's3' in exhibit.location ? pathOf(exhibit.location.s3) : copyArn(exhibit),
    ]),
  );
  return [
    ...outcome.exhibits.flatMap((exhibit) =>
      exhibit.kind === 'memory' ? memorySteps(exhibit, target, pathOf) : diskSteps(exhibit, target, entries, pathOf),
    ),
    ...outcome.examinations.flatMap(({ exhibit, tools, timeline }) => {
      const from = [originOf.get(exhibit) ?? exhibit];
      const outputs = tools.flatMap(({ tool: name, version, output }) => {
        const path = output && pathOf(output);
        return path === undefined ? [] : [{ path, from, tool: { name, version } }];
      });
      const path = timeline && pathOf(timeline);
      if (path === undefined || outputs.some((output) => output.path === path)) return outputs;
      const maker = tools.find(({ tool }) => tool.includes('plaso'));
      return [
        ...outputs,
        { path, from, tool: { name: maker?.tool ?? 'plaso', version: maker?.version ?? 'not recorded' } },
      ];
    }),
  ];
}

const arn = (service: string, region: string, accountId: string, resource: string): string =>
  `arn:aws:${service}:${region}:${accountId}:${resource}`;

/** A snapshot's ARN has no account. Source: Service Authorization Reference, "Amazon EC2". */
const snapshotArn = (region: string, snapshotId: string): string => arn('ec2', region, '', `snapshot/${snapshotId}`);

function copyArn({ location }: Exhibit): string | undefined {
  return 'snapshotId' in location ? snapshotArn(location.region, location.snapshotId) : undefined;
}

function memorySteps(
  exhibit: Exhibit,
  target: InstanceTarget,
  pathOf: (object: S3Location) => string | undefined,
): DerivedFile[] {
  const from = [arn('ec2', target.region, target.accountId, `instance/${target.instanceId}`)];
  const stored = [...('s3' in exhibit.location ? [exhibit.location.s3] : []), ...(exhibit.companions ?? [])];
  return stored.flatMap((object) => {
    const path = pathOf(object);
    return path === undefined ? [] : [{ path, from, tool: toolOf(exhibit.tool) }];
  });
}

/** From the copy back to the volume, over the snapshots that the custody log tells of. */
function diskSteps(
  exhibit: Exhibit,
  target: InstanceTarget,
  entries: readonly CustodyEntry[],
  pathOf: (object: S3Location) => string | undefined,
): DerivedFile[] {
  if (!('snapshotId' in exhibit.location)) return [];
  const { region } = exhibit.location;
  const copy = snapshotArn(region, exhibit.location.snapshotId);
  const list = exhibit.blocks && pathOf(exhibit.blocks.list);
  const steps = list === undefined ? [] : [{ path: list, from: [copy], tool: toolOf(exhibit.tool) }];
  const ids = [exhibit.location.snapshotId];
  for (;;) {
    const id = ids.at(-1) ?? '';
    const from = copiedFrom(id, entries);
    // A log that leads in a circle tells nothing.
    if (from === undefined || ids.includes(from)) break;
    steps.push({ path: snapshotArn(region, id), from: [snapshotArn(region, from)], tool: call('CopySnapshot') });
    ids.push(from);
  }
  const volume = arn('ec2', region, target.accountId, `volume/${exhibit.source}`);
  const first = ids.at(-1) ?? '';
  steps.push({
    path: snapshotArn(region, first),
    from: [volume],
    tool: call(ids.length > 1 ? 'CreateSnapshots' : 'CopySnapshot'),
  });
  return steps;
}

/** The snapshot that another one was copied from, by the act that began the copy. */
function copiedFrom(snapshotId: string, entries: readonly CustodyEntry[]): string | undefined {
  const begun = entries.find(({ kind, data }) => kind === 'act' && data?.snapshotId === snapshotId && data.from);
  return typeof begun?.data?.from === 'string' ? begun.data.from : undefined;
}

const call = (name: string): DerivedFile['tool'] => ({ name: `ec2:${name}`, version: EC2_API });

/** Version of the API that the calls belong to. */
const EC2_API = '2016-11-15';

const toolOf = ({ name, version }: Exhibit['tool']): DerivedFile['tool'] => ({ name, version });
