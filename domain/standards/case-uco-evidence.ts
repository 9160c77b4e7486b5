import type { DerivedFile } from '../custody/bundle';
import type { CaseDossier } from '../custody/dossier';
import { evidenceFilesOf } from '../custody/evidence-files';
import type { Exhibit, MissingEvidence, S3Location } from '../evidence';
import { contentOf, inS3, knownElsewhere, s3Address } from './case-uco-content';
import { related, type Suspect } from './case-uco-suspect';
import { instrumentsOf } from './case-uco-tools';
import type { LinkedData, LinkedNode, Reference } from './linked-data';

/** A file as it was written: with its digest and size where they are known. */
type Written = S3Location & { sha256?: string; sizeBytes?: number };

/** UCO's Snapshot is one of a file system; an EBS snapshot is a copy of a block device, an image. */
const DISK_IMAGE = 'image of a block device (EBS snapshot)';
const EC2_ARN = /^arn:[a-z-]+:ec2:([a-z0-9-]*):\d*:(instance|volume|snapshot)\/([a-z]+-[0-9a-f]+)$/;

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** The exhibits, what came of them, and how each goes back to what it was taken from. */
export class Evidence {
  private readonly images = new Map<string, { image: Reference; record: Reference }>();
  /** By address in S3, by path in the bundle, snapshots by their id. */
  private readonly files = new Map<string, Reference>();
  private readonly digests: { hash: string; image: Reference }[] = [];
  /** Root exhibits of a file or an exhibit, by its reference. */
  private readonly roots = new Map<string, string[]>();
  /** What an entry of the log or the run of a tool tells the making of. */
  private readonly explained = new Set<string>();

  constructor(
    private readonly graph: LinkedData,
    private readonly suspect: Suspect,
    { manifest, outcome }: CaseDossier,
  ) {
    for (const exhibit of manifest.exhibits) this.exhibit(exhibit);
    for (const item of manifest.missing) this.missing(item);
    for (const { exhibit, tools, timeline, allFindings } of outcome.examinations) {
      for (const { output } of tools) if (output) this.explained.add(this.fileAt(output)['@id']);
      for (const written of [...tools.map(({ output }) => output), timeline, allFindings])
        if (written) this.derivedFrom(this.fileAt(written), [exhibit]);
    }
    if (outcome.report) this.fileAt(outcome.report, 'report of the case');
    for (const { path, object } of evidenceFilesOf(outcome)) {
      const known = this.files.get(s3Address(object));
      if (known) this.files.set(path, known);
    }
    for (const file of manifest.derived) this.derived(file);
  }

  /** Undefined when there is no such exhibit: what was to be one is missing. */
  byId(id: string): { image: Reference; record: Reference } | undefined {
    return this.images.get(id);
  }

  /** A file in the evidence bucket, as it was first told of. */
  fileAt(written: Written, description?: string): Reference {
    const address = s3Address(written);
    const { key } = written;
    const known = this.files.get(address);
    if (known) return known;
    const node = this.file(['s3', address, written.versionId ?? ''], key, written, description, [
      inS3(this.graph, written),
    ]);
    this.files.set(address, node);
    return node;
  }

  /** What has this digest, when nothing else is known of it. */
  digest(sha256: string, of: string): Reference {
    for (const { image, hash } of this.digests) if (hash === sha256) return image;
    const key = ['digest', of, sha256];
    return this.graph.object('uco-observable:ObservableObject', key, {
      'uco-core:name': of,
      'uco-core:hasFacet': [contentOf(this.graph, key, { sha256 })],
    });
  }
  private exhibit(exhibit: Exhibit & { path?: string }): void {
    const { graph } = this;
    const { id, kind, source, sha256, sizeBytes, location, notes, companions, attempts, blocks, transfer } = exhibit;
    const key = ['exhibit', id];
    const facets: LinkedNode[] = [
      graph.part('uco-observable:ImageFacet', key, {
        'uco-observable:imageType': kind === 'memory' ? 'memory image' : DISK_IMAGE,
      }),
      contentOf(graph, key, { sha256, sizeBytes }),
    ];
    if ('s3' in location) facets.push(this.fileFacet(key, location.s3.key));
    const image = graph.object('uco-observable:Image', key, {
      'uco-core:name': id,
      'uco-core:description': [
        ...notes,
        ...(blocks
          ? [
              `${blocks.count} blocks of ${blocks.blockSizeBytes} bytes, root of their Merkle tree (RFC 6962, SHA-256) ${blocks.merkleRoot}`,
            ]
          : []),
      ],
      'uco-core:externalReference': [
        's3' in location
          ? inS3(graph, location.s3)
          : knownElsewhere(
              graph,
              `Amazon EBS snapshot in account ${location.accountId}, ${location.region}, under key ${location.keyArn}`,
              location.snapshotId,
            ),
      ],
      'uco-core:hasFacet': facets,
      'case-investigation:wasDerivedFrom': this.suspect.source(kind, source),
    });
    related(graph, 'Copy_Of', image, this.suspect.source(kind, source));
    if (!('s3' in location)) related(graph, 'Contained_Within', image, this.suspect.accountOf(location.accountId));
    this.roots.set(image['@id'], [id]);
    this.digests.push({ hash: sha256, image });
    this.images.set(id, { image, record: this.provenance(id, [id], [image, this.suspect.source(kind, source)]) });
    this.explained.add(image['@id']);
    if (exhibit.path !== undefined) this.files.set(exhibit.path, image);
    this.files.set('s3' in location ? s3Address(location.s3) : location.snapshotId, image);

    for (const companion of companions ?? [])
      related(graph, 'Characterizes', this.fileAt(companion, `kept with exhibit ${id}`), image);
    if (blocks)
      related(graph, 'Characterizes', this.fileAt(blocks.list, `digests of the blocks of exhibit ${id}`), image);
    for (const { number, tool, reason, rejected } of attempts ?? [])
      if (rejected) this.fileAt(rejected, `image of attempt ${number} with ${tool}, rejected: ${reason}`);
    if (transfer)
      related(graph, 'Characterizes', this.fileAt(transfer.list, `digests of the parts of exhibit ${id}`), image);
  }

  private missing({ id, kind, source, reason, attempts }: MissingEvidence): void {
    const { graph } = this;
    graph.object('uco-core:Annotation', ['missing', id], {
      'uco-core:name': `missing evidence: ${kind} of ${source}`,
      'uco-core:statement': [`not available: ${reason}`],
      'uco-core:object': [this.suspect.source(kind, source)],
    });
    for (const { number, tool, reason: why, rejected } of attempts ?? [])
      if (rejected) this.fileAt(rejected, `image of attempt ${number} with ${tool}, rejected: ${why}`);
  }

  private derived({ path, from, tool }: DerivedFile): void {
    const { graph } = this;
    const node = this.origin(path) ?? this.file(['path', path], path, {});
    this.files.set(path, node);
    this.derivedFrom(node, from);
    if (this.explained.has(node['@id']) && tool.arguments === undefined) return;
    graph.object('case-investigation:InvestigativeAction', ['derived', path], {
      'uco-core:name': `${tool.name}: ${path}`,
      'uco-core:description': `${path} made from ${from.join(', ')}`,
      'uco-action:instrument': instrumentsOf(graph, { tool }),
      'uco-action:object': from.map((one) => this.originOrName(one)),
      'uco-action:result': [node],
    });
  }

  private derivedFrom(node: Reference, from: readonly string[]): void {
    const roots: string[] = [];
    for (const one of from) {
      const origin = this.originOrName(one);
      if (origin['@id'] === node['@id']) continue;
      related(this.graph, 'Derived_From', node, origin);
      roots.push(...(this.roots.get(origin['@id']) ?? []));
    }
    const known = [...new Set(roots)].sort();
    if (known.length === 0 || this.roots.has(node['@id'])) return;
    this.roots.set(node['@id'], known);
    this.provenance(node['@id'], known, [node]);
  }

  /** What a name of the manifest means: an exhibit, a file, an instance, a volume or a snapshot by its ARN. */
  private origin(name: string): Reference | undefined {
    const known = this.images.get(name)?.image ?? this.files.get(name);
    if (known) return known;
    const [, region = '', kind, id = ''] = EC2_ARN.exec(name) ?? [];
    switch (kind) {
      case 'instance':
        return this.suspect.instance;
      case 'volume':
        return this.suspect.source('disk', id);
      case 'snapshot':
        return this.files.get(id) ?? this.snapshot(id, region);
      default:
        return undefined;
    }
  }

  private originOrName(name: string): Reference {
    return (
      this.origin(name) ??
      this.graph.object('uco-observable:ObservableObject', ['named', name], { 'uco-core:name': name })
    );
  }

  /** One on the way from the volume to the exhibit. */
  private snapshot(id: string, region: string): Reference {
    return this.graph.object('uco-observable:Image', ['snapshot', id], {
      'uco-core:name': id,
      'uco-core:externalReference': [knownElsewhere(this.graph, `Amazon EBS snapshot in ${region}`, id)],
      'uco-core:hasFacet': [
        this.graph.part('uco-observable:ImageFacet', ['snapshot', id], { 'uco-observable:imageType': DISK_IMAGE }),
      ],
    });
  }

  private file(
    key: readonly string[],
    path: string,
    content: { sha256?: string; sizeBytes?: number },
    description?: string,
    references: LinkedNode[] = [],
  ): Reference {
    const { graph } = this;
    return graph.object('uco-observable:File', key, {
      'uco-core:name': baseName(path),
      'uco-core:description': description,
      'uco-core:externalReference': references,
      'uco-core:hasFacet': [this.fileFacet(key, path), contentOf(graph, key, content)],
    });
  }

  private fileFacet(key: readonly string[], path: string): LinkedNode {
    return this.graph.part('uco-observable:FileFacet', key, {
      'uco-observable:fileName': baseName(path),
      'uco-observable:filePath': path,
    });
  }

  private provenance(key: string, roots: readonly string[], objects: Reference[]): Reference {
    const isExhibit = roots[0] === key;
    return this.graph.object('case-investigation:ProvenanceRecord', [key], {
      'case-investigation:exhibitNumber': isExhibit ? key : undefined,
      'case-investigation:rootExhibitNumber': roots,
      'uco-core:object': objects,
    });
  }
}
