import type { CaseDossier } from '../custody/dossier';
import type { CustodyActor, CustodyFacts } from '../custody/facts';
import { type Approval, approvalsOf, planKey } from './approvals';
import { dateTime, type LinkedData, type Reference } from './linked-data';

const KNOWN_BY: Record<CustodyActor['knownBy'], string> = {
  proven: 'AWS STS vouched for this principal',
  service: 'a role of the product',
  claimed: 'a name that was given; nobody has proven it',
};

/** Who acted, in which role, and under whose authority. */
export class People {
  private readonly authorizations = new Map<string, Reference[]>();

  constructor(
    private readonly graph: LinkedData,
    { manifest, entries, request }: CaseDossier,
  ) {
    for (const entry of entries) {
      const { actor, kind } = entry;
      if (actor.knownBy === 'service')
        this.inRole(
          actor,
          kind === 'examined' ? ['case-investigation:Examiner', 'examiner'] : ['uco-role:Role', 'forensic service'],
        );
      if (kind === 'decision-taken') this.inRole(actor, ['uco-role:Role', 'decides at checkpoints']);
      if (kind === 'case-opened')
        this.inRole(
          actor,
          request.finding.source === 'manual'
            ? ['case-investigation:Investigator', 'investigator']
            : ['uco-role:Role', 'source of the finding'],
        );
    }
    for (const approval of approvalsOf({ manifest, entries })) this.authorize(approval);
  }

  identity({ name, knownBy }: CustodyActor): Reference {
    return this.graph.object('uco-identity:Identity', [knownBy, name], {
      'uco-core:name': name,
      'uco-core:description': KNOWN_BY[knownBy],
    });
  }

  /** The decisions to approve under which something was done: several where a quorum decided. */
  authority(plan: NonNullable<CustodyFacts['authority']>): Reference[] {
    return this.authorizations.get(planKey(plan)) ?? [];
  }

  allAuthorizations(): Reference[] {
    return [...this.authorizations.values()].flat();
  }

  private authorize({ checkpoint, planHash, decidedAt, actor, breakGlass }: Approval): void {
    const key = planKey({ checkpoint, planHash });
    const authorization = this.graph.object('case-investigation:Authorization', [key, decidedAt, actor.name], {
      'uco-core:name': `${checkpoint} approved by ${actor.name}`,
      'uco-core:description': breakGlass ? 'in an emergency, by one person alone' : undefined,
      'case-investigation:authorizationType': checkpoint,
      // The hash of the plan that was read: the decision holds for this plan and no other.
      'case-investigation:authorizationIdentifier': planHash,
      'uco-core:startTime': dateTime(decidedAt),
    });
    this.linked('Granted', this.identity(actor), authorization);
    this.authorizations.set(key, [...(this.authorizations.get(key) ?? []), authorization]);
  }

  private inRole(
    actor: CustodyActor,
    [className, name]: ['uco-role:Role' | `case-investigation:${string}`, string],
  ): void {
    const role = this.graph.object(className, [name], { 'uco-core:name': name });
    this.linked('Has_Role', this.identity(actor), role);
  }

  private linked(kind: string, source: Reference, target: Reference): void {
    this.graph.object('uco-core:Relationship', [kind, source['@id'], target['@id']], {
      'uco-core:kindOfRelationship': kind,
      'uco-core:source': source,
      'uco-core:target': target,
      'uco-core:isDirectional': true,
    });
  }
}
