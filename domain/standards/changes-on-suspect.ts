import type { PhaseName } from '../case-event';
import { wellFormed } from '../custody/chain';
import type { CaseDossier } from '../custody/dossier';
import type { CustodyEntry } from '../custody/entry';
import {
  actorText,
  authorityText,
  bullets,
  documentOf,
  documentText,
  exact,
  madeFrom,
  toolText,
  words,
} from './document-text';
import { phasesOf } from './phase-of-entry';
import { type Weakness, weaknessesOf } from './solve-it';

/** A change on the suspect that the product made, as its entry of the custody log tells it. */
export interface Change {
  entry: CustodyEntry;
  /** Short noun phrase. */
  change: string;
  /** Undefined when the entry does not say. */
  reversible?: boolean;
  /** Phases of the case in which it was made. */
  phases: PhaseName[];
  weaknesses: Weakness[];
}

/** What each phase changes the suspect for. */
const PURPOSE: Record<PhaseName, string> = {
  triage: 'to learn what the instance is',
  protection: 'to keep evidence from being lost with the instance',
  acquisition: 'to acquire evidence that is to be had from a running instance only',
  containment: 'to cut the instance off',
  examination: 'to examine the evidence',
  report: 'to report',
};

/** Every act that says of itself that it changed the suspect, in the order of the log. */
export function changesOnSuspect({ entries, outcome, manifest }: CaseDossier): Change[] {
  const ofMemory = manifest.exhibits.filter(({ kind }) => kind === 'memory');
  const memoryTools = new Set([
    ...ofMemory.map(({ tool }) => tool.name),
    ...[...ofMemory, ...manifest.missing].flatMap(({ attempts }) => (attempts ?? []).map(({ tool }) => tool)),
  ]);
  return entries.flatMap((entry) => {
    const { data, message } = entry;
    if (data?.changesSuspect !== true) return [];
    return [
      {
        entry,
        change: typeof data.change === 'string' ? data.change : message,
        ...(typeof data.reversible === 'boolean' && { reversible: data.reversible }),
        phases: phasesOf(entry, outcome.phases),
        weaknesses: weaknessesOf(entry, memoryTools),
      },
    ];
  });
}

/** The list of unavoidable changes (ACPO principle 2, ISO/IEC 27037) in Markdown: from the log, and nothing beside it. */
export function unavoidableChangesOf(given: CaseDossier): string {
  const dossier = wellFormed(given);
  const { request, outcome } = dossier;
  const changes = changesOnSuspect(dossier);
  return documentOf([
    [`# Changes made on the suspect, case ${exact(outcome.caseId)}`],
    [
      `Instance ${exact(request.target.instanceId)} in account ${exact(request.target.accountId)}, ` +
        `${exact(request.target.region)}. ${madeFrom(dossier)}`,
    ],
    [
      changes.length === 0
        ? 'The custody log records no change that was made on the suspect.'
        : `The custody log records ${changes.length} change(s) that were made on the suspect.`,
    ],
    ...changes.flatMap((change, index) => changeBlocks(change, index + 1, dossier)),
  ]);
}

function changeBlocks(change: Change, number: number, dossier: CaseDossier): string[][] {
  const { entry, reversible, weaknesses } = change;
  const { at, message, actor, authority, exhibit, tool, document, awsCalls, awsCallsNotListed } = entry;
  const facts = [
    `When: ${exact(at)} (UTC)`,
    `What was done: ${words(message)}`,
    `By: ${actorText(actor)}`,
    `Authority: ${
      authority
        ? authorityText(dossier, authority)
        : `no decision of a person stands with it in the log; the case was opened by ${exact(dossier.request.openedBy)}`
    }`,
    `Why: ${purposeOf(change)}`,
    ...(exhibit ? [`For exhibit: ${exact(exhibit.id)} (${exhibit.kind} of ${exact(exhibit.source)})`] : []),
    ...(tool ? [`Tool: ${toolText(tool)}`] : []),
    ...(document ? [documentText(document)] : []),
    ...(awsCalls ?? []).map(
      ({ call, requestId, accountId }) =>
        `AWS call: ${exact(call)} in account ${exact(accountId)}, request id ${exact(requestId)}`,
    ),
    ...(awsCallsNotListed ? [`AWS calls beyond these: ${awsCallsNotListed}, which CloudTrail has`] : []),
    `Can be undone: ${reversible === undefined ? 'the log does not say' : reversible ? 'yes' : 'no'}`,
    `Entry ${entry.sequence} of the custody log, SHA-256 ${exact(entry.hash)}`,
  ];
  return [
    [`## ${number}. ${words(change.change)}`],
    bullets(facts),
    ...(weaknesses.length > 0
      ? [
          ['What can go wrong with it (SOLVE-IT), and what is done about that:'],
          bullets(weaknesses.map(({ id, name, mitigation }) => `${id} ${name}: ${mitigation}`)),
        ]
      : []),
  ];
}

function purposeOf({ phases }: Change): string {
  if (phases.length === 0) return 'the log does not say in which phase of the case it was made';
  return phases.map((phase) => `${PURPOSE[phase]} (${phase})`).join('; or ');
}
