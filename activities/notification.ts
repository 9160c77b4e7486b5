import type { PublishCommandInput } from '@aws-sdk/client-sns';
import type { CaseEventKind } from '../domain/case-event';
import type { ContainmentPlan } from '../domain/containment';
import type { CustodyEntry } from '../domain/custody/entry';
import type { CaseRecord } from '../domain/outcome';

/** Longest subject that SNS takes; ASCII without line breaks (SNS API reference, Publish). */
const SUBJECT_LENGTH = 100;

/** What the reader should do now; the events that are missing here need nobody. */
const NEXT: Partial<Record<CaseEventKind, string>> = {
  'case-opened': 'Nothing yet: you are told when a decision is needed.',
  'evidence-missing':
    'Read the reason above; if it can be had after all, acquire it while the instance is still there.',
  'decision-refused': 'If this was your decision, read the reason and send it again.',
  contained: 'Check what still flows (the case lists it) and whether that is acceptable.',
  cancelled: 'Nothing is undone: look at what was acquired and what stays protected or isolated.',
  'evidence-alert':
    'Find out who did it and why, before anything else is changed; then audit again: npm run -s forensics -- audit run <case>',
  'evidence-purged': 'Nothing: the custody log and the seal stay.',
  'legal-hold-changed': 'Nothing, if this was intended. What could not be enforced stands in the entry.',
  'review-due':
    'Another person reviews it: npm run -s forensics -- review <case> --verdict justified --note <why> --as <name>',
  released:
    'If a layer was left as it is, read why in the entry; what is not taken back stays until somebody does it by hand.',
  'sealing-failed':
    'Mend the reason above. The evidence is there, with its digests in the custody log; its bundle is not signed.',
  'case-closed':
    'Read the report: npm run -s forensics -- report <case>. Protections and isolation stay until they are released: ' +
    'npm run -s forensics -- release ask <case> --reason <why>',
};

const ASKS_FOR_CONSENT: CaseEventKind[] = [
  'consent-requested',
  'consent-reminder',
  'consent-escalated',
  'consent-expired',
];

/** The message of an event, as people get it by e-mail or chat: what happened, where, and what to do next. */
export function notificationOf(record: CaseRecord, event: CustodyEntry): Omit<PublishCommandInput, 'TopicArn'> {
  const { target } = record;
  const lines = [
    event.message,
    '',
    `Case:      ${record.caseId} (${record.status}, phase ${record.phase})`,
    `Instance:  ${target.instanceId}, account ${target.accountId}, ${target.region}`,
    `Finding:   ${record.findingType} (${record.severity})`,
    `Time:      ${event.at}`,
    `Workflow:  ${workflowOf(record, event)}`,
    // Whoever keeps this message can show later that the log was not cut short.
    `Custody:   entry ${event.sequence}, ${event.hash}`,
    '',
    ...planLines(event.data?.plan),
    'What to do:',
    ...whatToDo(record, event),
  ];
  const text = (StringValue: string) => ({ DataType: 'String', StringValue });
  return {
    Subject: asciiLine(
      `[${event.severity ?? record.severity}] ${target.instanceId}: ${event.message.split('\n', 1).join('')}`,
    ),
    Message: lines.join('\n'),
    MessageAttributes: {
      caseId: text(record.caseId),
      // A message may come twice (SNS standard topics, and our own retries): with the case id this tells it apart.
      sequence: { DataType: 'Number', StringValue: String(event.sequence) },
      kind: text(event.kind),
      severity: text(event.severity ?? record.severity),
      status: text(record.status),
      accountId: text(target.accountId),
      region: text(target.region),
      instanceId: text(target.instanceId),
    },
  };
}

function whatToDo(record: CaseRecord, event: CustodyEntry): string[] {
  if (!ASKS_FOR_CONSENT.includes(event.kind)) {
    return [(NEXT[event.kind] ?? 'Nothing: this is for your information.').replaceAll('<case>', record.caseId)];
  }
  const { checkpoint, planHash } = event.data ?? {};
  const decision = {
    checkpoint: checkpoint ?? 'isolation',
    approver: '<your name>',
    reason: '<why>',
    ...(planHash !== undefined && { planHash }),
  };
  const own = KEEPING_COMMANDS[decision.checkpoint as string];
  if (own !== undefined) {
    return [
      `1. Read what is asked: npm run -s forensics -- ${own} show ${record.caseId}`,
      `2. Decide: npm run -s forensics -- ${own} approve ${record.caseId} --as <your name> --reason <why>  (or: reject)`,
      `   or in the Temporal UI: open workflow ${workflowOf(record, event)}, send signal "approve" or "reject" with`,
      `   ${JSON.stringify(decision)}`,
      'Nothing is done without a decision.',
    ];
  }
  return [
    `1. Read the whole plan: npm run -s forensics -- show ${record.caseId}`,
    `2. Decide in the Temporal UI: open workflow ${record.workflowId}, send signal "approve" or "reject" with`,
    `   ${JSON.stringify(decision)}`,
    `   or on the command line: npm run -s forensics -- approve ${record.caseId} --as <your name>  (or: reject)`,
    'The case waits; nothing of this step is done without a decision.',
  ];
}

/** What is asked beside the case, of evidence that it has left, has a workflow and commands of its own. */
const KEEPING_COMMANDS: Readonly<Record<string, string>> = {
  'legal-hold': 'hold',
  purge: 'purge',
  release: 'release',
};

const workflowOf = (record: CaseRecord, { data }: CustodyEntry): string =>
  typeof data?.workflowId === 'string' ? data.workflowId : record.workflowId;

/** What a plan says about itself, when the event carries one. */
function planLines(plan: unknown): string[] {
  if (typeof plan !== 'object' || plan === null) return [];
  const { blastRadius, residualPaths, steps, notEnforced } = plan as Partial<ContainmentPlan>;
  const list = (title: string, sentences: string[] | undefined): string[] =>
    sentences && sentences.length > 0 ? [title, ...sentences.map((sentence) => `- ${sentence}`), ''] : [];
  const felt = (steps ?? []).map(({ layer, effect, needsOwnConsent }) =>
    needsOwnConsent === undefined ? `${layer}: ${effect}` : `${layer}: ${effect}; ${needsOwnConsent}`,
  );
  const unenforced = notEnforced?.map(({ layer, reason }) => `${layer}: ${reason}`);
  return [
    ...list('What is done:', felt),
    ...list('Asked for and NOT enforced:', unenforced),
    ...list('What it will break:', blastRadius),
    ...list('What still flows afterwards:', residualPaths),
  ];
}

function asciiLine(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]+/g, ' ').trim();
  return plain.length <= SUBJECT_LENGTH ? plain : `${plain.slice(0, SUBJECT_LENGTH - 3)}...`;
}
