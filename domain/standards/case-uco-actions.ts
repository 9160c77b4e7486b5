import type { CaseDossier } from '../custody/dossier';
import type { CustodyEntry } from '../custody/entry';
import type { ExaminationResult, ToolRun } from '../examination';
import type { PhaseRecord } from '../outcome';
import { planKey } from './approvals';
import { knownElsewhere } from './case-uco-content';
import type { Evidence } from './case-uco-evidence';
import type { People } from './case-uco-people';
import type { Suspect } from './case-uco-suspect';
import { instrumentsOf } from './case-uco-tools';
import { dateTime, type LinkedData, type Reference } from './linked-data';
import { clockText } from './document-text';
import { phasesOf } from './phase-of-entry';
import { TECHNIQUES, techniqueOf } from './solve-it';

const ACTION = 'case-investigation:InvestigativeAction';

/** Words of UCO's ActionStatusTypeVocab. */
type ActionStatus = 'Success' | 'Complete/Finish' | 'Fail' | 'Ongoing';
const STATUS_OF_PHASE: Partial<Record<PhaseRecord['outcome'], ActionStatus>> = {
  succeeded: 'Success',
  partial: 'Complete/Finish',
  failed: 'Fail',
  running: 'Ongoing',
};
const STATUS_OF_KIND: Partial<Record<CustodyEntry['kind'], ActionStatus>> = {
  act: 'Success',
  'exhibit-acquired': 'Success',
  'acquisition-attempt-failed': 'Fail',
  'evidence-missing': 'Fail',
  'sealing-failed': 'Fail',
};

export interface CaseParts {
  graph: LinkedData;
  suspect: Suspect;
  people: People;
  evidence: Evidence;
}

/** The entries of the custody log as actions, each phase around its own, and every tool that ran on an exhibit. */
export class Actions {
  private readonly lastOnExhibit = new Map<string, Reference>();
  private readonly decisions = new Map<string, Reference[]>();
  private readonly ofPhase = new Map<string, Reference[]>();
  private readonly acquired = new Set<string>();

  constructor(
    private readonly parts: CaseParts,
    private readonly dossier: CaseDossier,
  ) {
    for (const entry of dossier.entries) this.entry(entry);
    for (const phase of dossier.outcome.phases) this.phase(phase);
  }

  private entry(entry: CustodyEntry): void {
    const { graph, people } = this.parts;
    const { kind, sequence, at, step, actor, authority, awsCalls, clockOffsetSeconds } = entry;
    const exhibitId = exhibitOf(entry);
    const examination =
      kind === 'examined' ? this.dossier.outcome.examinations.find(({ exhibit }) => exhibit === exhibitId) : undefined;
    const exhibit = this.dossier.manifest.exhibits.find(({ id }) => id === exhibitId);
    if (kind === 'exhibit-acquired' && exhibitId !== undefined) this.acquired.add(exhibitId);
    const before = [
      ...(exhibitId === undefined ? [] : [this.lastOnExhibit.get(exhibitId)]),
      ...(authority && kind !== 'decision-taken' ? (this.decisions.get(planKey(authority)) ?? []) : []),
    ];
    const runs = examination ? this.toolRuns(examination) : [];
    const isExhibitTaken = kind === 'exhibit-acquired' && exhibit && exhibit.acquiredAt <= at;

    const action = graph.object(ACTION, ['entry', String(sequence)], {
      'uco-core:name': step === undefined ? kind : `${kind}: ${step}`,
      'uco-core:description': [
        entry.message,
        ...(clockOffsetSeconds === undefined ? [] : [clockText(clockOffsetSeconds)]),
      ],
      'uco-core:externalReference': [
        knownElsewhere(graph, 'custody log of the case: number and hash of the entry', `${sequence} ${entry.hash}`),
        ...(awsCalls ?? []).map(({ call, requestId, accountId }) =>
          knownElsewhere(graph, `AWS request id of ${call} in account ${accountId}`, requestId),
        ),
        ...this.techniques(entry, examination).map((id) => knownElsewhere(graph, 'SOLVE-IT technique', id)),
      ],
      // An act is told when it is done; when it began is known of an acquisition only.
      'uco-action:startTime': isExhibitTaken ? dateTime(exhibit.acquiredAt) : kind === 'act' ? undefined : dateTime(at),
      'uco-action:endTime': dateTime(at),
      'uco-action:actionStatus': examination ? STATUS_OF_PHASE[examination.outcome] : STATUS_OF_KIND[kind],
      'uco-action:performer': people.identity(actor),
      'uco-action:instrument': instrumentsOf(graph, entry),
      'uco-action:object': this.objects(entry, exhibitId),
      'uco-action:result': this.results(entry, exhibitId, examination),
      'uco-action:environment': this.environment(entry),
      'uco-action:subaction': runs,
      'case-investigation:wasInformedBy': before.filter((one) => one !== undefined),
    });

    if (authority) {
      for (const authorization of kind === 'decision-taken' ? [] : people.authority(authority))
        graph.object('uco-core:Relationship', ['Authorized_By', action['@id'], authorization['@id']], {
          'uco-core:kindOfRelationship': 'Authorized_By',
          'uco-core:source': action,
          'uco-core:target': authorization,
          'uco-core:isDirectional': true,
        });
      if (kind === 'decision-taken')
        this.decisions.set(planKey(authority), [...(this.decisions.get(planKey(authority)) ?? []), action]);
    }
    if (exhibitId !== undefined) this.lastOnExhibit.set(exhibitId, action);
    const [phase, ...others] = phasesOf(entry, this.dossier.outcome.phases);
    if (phase !== undefined && others.length === 0)
      this.ofPhase.set(phase, [...(this.ofPhase.get(phase) ?? []), action]);
  }

  /** What it was done to: of an exhibit the source until there is an image of it, and the image from then on. */
  private objects(entry: CustodyEntry, exhibitId: string | undefined): Reference[] {
    const { evidence, suspect } = this.parts;
    const objects: Reference[] = [];
    const image = exhibitId === undefined ? undefined : evidence.byId(exhibitId)?.image;
    if (image && exhibitId !== undefined && this.acquired.has(exhibitId) && entry.kind !== 'exhibit-acquired')
      objects.push(image);
    else if (entry.exhibit) objects.push(suspect.source(entry.exhibit.kind, entry.exhibit.source));
    if (changesSuspect(entry) || entry.kind === 'contained') objects.push(suspect.instance);
    return objects;
  }

  private results(entry: CustodyEntry, exhibitId: string | undefined, examination?: ExaminationResult): Reference[] {
    const { evidence, people } = this.parts;
    const { kind, authority, sha256, sequence } = entry;
    if (kind === 'decision-taken') return authority ? people.authority(authority) : [];
    if (kind === 'exhibit-acquired' && exhibitId !== undefined) {
      const exhibit = evidence.byId(exhibitId);
      return exhibit ? [exhibit.image, exhibit.record] : [];
    }
    const written = [examination?.timeline, examination?.allFindings];
    return [
      ...written.flatMap((file) => (file ? [evidence.fileAt(file)] : [])),
      ...(sha256 === undefined ? [] : [evidence.digest(sha256, `result of entry ${sequence} of the custody log`)]),
    ];
  }

  /** Where it happened: on the instance, when a document ran there; else in the account that AWS was called in. */
  private environment(entry: CustodyEntry): Reference | undefined {
    const { suspect } = this.parts;
    if (entry.document && changesSuspect(entry)) return suspect.instance;
    const account = entry.awsCalls?.[0]?.accountId;
    return account === undefined ? undefined : suspect.accountOf(account);
  }

  private techniques(entry: CustodyEntry, examination?: ExaminationResult): string[] {
    const exhibit = this.dossier.manifest.exhibits.find(({ id }) => id === entry.exhibit?.id);
    if (entry.kind === 'exhibit-acquired' && entry.exhibit)
      return [techniqueOf(entry.exhibit.kind), ...(exhibit?.blocks ? [TECHNIQUES.hashVerification] : [])];
    return examination?.timeline ? [TECHNIQUES.timeline] : [];
  }

  private toolRuns({ exhibit, tools }: ExaminationResult): Reference[] {
    return tools.map((run, index) => this.toolRun(exhibit, run, index));
  }

  private toolRun(
    exhibitId: string,
    { tool, version, outcome, records, seconds, note, output }: ToolRun,
    index: number,
  ): Reference {
    const { graph, evidence } = this.parts;
    const exhibit = evidence.byId(exhibitId);
    return graph.object(ACTION, ['tool', exhibitId, String(index), tool], {
      'uco-core:name': `${tool} on exhibit ${exhibitId}`,
      'uco-core:description': [`${records} records in ${seconds} s`, ...(note === undefined ? [] : [note])],
      'uco-action:actionStatus': outcome === 'succeeded' ? 'Success' : 'Fail',
      'uco-action:instrument': instrumentsOf(graph, { tool: { name: tool, version } }),
      'uco-action:object': exhibit && [exhibit.image],
      'uco-action:result': output && [evidence.fileAt(output)],
    });
  }

  private phase({ name, startedAt, endedAt, outcome, reason }: PhaseRecord): void {
    this.parts.graph.object(ACTION, ['phase', name], {
      'uco-core:name': `phase: ${name}`,
      'uco-core:description': `${outcome}${reason === undefined ? '' : `: ${reason}`}`,
      'uco-action:startTime': dateTime(startedAt),
      'uco-action:endTime': endedAt === undefined ? undefined : dateTime(endedAt),
      'uco-action:actionStatus': STATUS_OF_PHASE[outcome],
      'uco-action:subaction': this.ofPhase.get(name),
    });
  }
}

function exhibitOf({ kind, exhibit, data }: CustodyEntry): string | undefined {
  if (exhibit) return exhibit.id;
  return kind === 'examined' && typeof data?.exhibit === 'string' ? data.exhibit : undefined;
}

/** By the field that the step itself has set. */
export const changesSuspect = ({ data }: CustodyEntry): boolean => data?.changesSuspect === true;
