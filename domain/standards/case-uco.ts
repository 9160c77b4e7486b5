import { wellFormed } from '../custody/chain';
import type { CaseDossier } from '../custody/dossier';
import { Actions } from './case-uco-actions';
import { Evidence } from './case-uco-evidence';
import { People } from './case-uco-people';
import { Suspect } from './case-uco-suspect';
import { dateTime, LinkedData } from './linked-data';

/**
 * The case in CASE 1.5.0 / UCO 1.5.0 (https://caseontology.org), as JSON-LD: the investigation, an action for each entry of the
 * custody log, phases, tools, decisions as authorizations, exhibits with digests and provenance, and what each file was made from.
 * `case_validate` of the Python package case-utils accepts it. The same dossier makes the same document.
 *
 * Not in it: findings one by one (their file is), the digests of single blocks and parts, the Temporal histories.
 */
export function caseUcoOf(given: CaseDossier): object {
  const dossier = wellFormed(given);
  const { request, outcome, entries } = dossier;
  const graph = new LinkedData(outcome.caseId);
  const suspect = new Suspect(graph, dossier);
  const people = new People(graph, dossier);
  const evidence = new Evidence(graph, suspect, dossier);
  new Actions({ graph, suspect, people, evidence }, dossier);

  const last = entries.at(-1);
  graph.object('case-investigation:Investigation', [outcome.caseId], {
    'uco-core:name': outcome.caseId,
    'uco-core:description': [
      `${request.finding.title} (${request.finding.type}, severity ${request.finding.severity})`,
      request.finding.description,
      ...outcome.reasons,
    ],
    'case-investigation:investigationForm': 'incident',
    'case-investigation:investigationStatus': outcome.outcome,
    'case-investigation:focus': [request.finding.type],
    'case-investigation:relevantAuthorization': people.allAuthorizations(),
    'uco-core:startTime': dateTime(entries[0]?.at ?? request.receivedAt),
    'uco-core:endTime': last && dateTime(last.at),
    'uco-core:object': graph.references(),
  });
  return graph.document();
}
