import { wellFormed } from '../custody/chain';
import type { CaseDossier } from '../custody/dossier';
import type { CustodyEntry } from '../custody/entry';
import type { Exhibit, MissingEvidence } from '../evidence';
import { s3Address } from './case-uco-content';
import { changesOnSuspect } from './changes-on-suspect';
import {
  actorText,
  authorityText,
  bullets,
  clockText,
  documentOf,
  documentText,
  exact,
  madeFrom,
  toolText,
  words,
} from './document-text';

const BLANK = '______________________________';

/**
 * A draft of the certificate that a qualified person may sign, in Markdown: what was acquired, how, by whom, under whose authority and
 * how it was verified, in the terms of ISO/IEC 27037 and of rule 902(14) of the US Federal Rules of Evidence. It says what the log
 * says; whether that is enough is for the person who signs.
 */
export function certificateDraftOf(given: CaseDossier): string {
  const dossier = wellFormed(given);
  const { request, outcome, manifest } = dossier;
  const { exhibits, missing, decisions } = manifest;
  return documentOf([
    ['# DRAFT: certificate of data copied from an electronic device, storage medium or file'],
    [
      'This is a DRAFT that a program made. It certifies nothing until a qualified person has checked it, completed it and signed it.',
    ],
    [
      `Case ${exact(outcome.caseId)}, instance ${exact(request.target.instanceId)} in AWS account ` +
        `${exact(request.target.accountId)}, Region ${exact(request.target.region)}. The case ended as: ${outcome.outcome}. ` +
        madeFrom(dossier),
    ],
    ['## The person who certifies'],
    bullets([
      `Name: ${BLANK}`,
      `Title and organisation: ${BLANK}`,
      `Qualification (training, experience, role: digital evidence first responder or specialist, ISO/IEC 27037): ${BLANK}`,
      `Legal basis of the acquisition: ${BLANK}`,
    ]),
    ['## What was copied'],
    [
      exhibits.length === 0
        ? 'No exhibit was acquired.'
        : `${exhibits.length} exhibit(s). The process of digital identification (rule 902(14)) is the comparison of SHA-256 digests (FIPS 180-4).`,
    ],
    ...exhibits.flatMap((exhibit, index) => exhibitBlocks(exhibit, index + 1, dossier)),
    ['## What is missing, and why'],
    missing.length === 0
      ? ['The case records no evidence as missing.']
      : bullets(missing.map((item) => missingText(item))),
    ['## Decisions'],
    decisions.length === 0
      ? ['The case records no decision of a person.']
      : bullets(
          decisions.map(
            ({ checkpoint, verdict, approver, planHash, decidedAt }) =>
              `${words(checkpoint)}: ${words(verdict)} by ${exact(approver)} at ${exact(decidedAt)}, plan with SHA-256 ${exact(planHash)}`,
          ),
        ),
    ['## Changes made on the suspect'],
    [
      `The custody log records ${changesOnSuspect(dossier).length} change(s); they are listed in documents/changes-on-suspect.md.`,
    ],
    ['## Handling, in the terms of ISO/IEC 27037'],
    bullets([
      'Auditability: each act stands in the custody log with its time, its actor and the request ids of AWS; each entry holds the SHA-256 of the one before.',
      'Repeatability and reproducibility: tools, versions, digests and arguments stand with each exhibit and in manifest.json. Memory of a running instance cannot be acquired a second time in the same state.',
      'Justifiability: the decision that each act was done under is named where the log has one.',
    ]),
    ['## Statement'],
    [
      'I have the knowledge, training and experience to make this statement. The data described above were copied from the electronic ' +
        'device, storage medium or file that is named with each exhibit, and were authenticated by a process of digital identification: ' +
        'the SHA-256 digests given above.',
    ],
    bullets([`How I have verified them: ${BLANK}`]),
    [
      'I certify under penalty of perjury that the foregoing is true and correct (28 U.S.C. § 1746, for a signature within the United States).',
    ],
    bullets([`Executed on (date): ${BLANK}`, `Signature: ${BLANK}`, `Name and title: ${BLANK}`]),
  ]);
}

function exhibitBlocks(exhibit: Exhibit, number: number, dossier: CaseDossier): string[][] {
  const { id, kind, source, sha256, sizeBytes, acquiredAt, tool, location, notes, blocks, transfer } = exhibit;
  const entries = dossier.entries.filter((entry) => isAbout(entry, exhibit));
  return [
    [`### ${number}. Exhibit ${exact(id)}`],
    bullets([
      `What it is: ${kind === 'memory' ? 'image of the memory of' : 'image of the block device'} ${exact(source)}, ${sizeBytes} bytes`,
      `SHA-256: ${exact(sha256)}`,
      `Kept at: ${placeOf(location)}`,
      `Acquired: ${exact(acquiredAt)} (UTC), with ${toolText(tool)}`,
      ...documentsOf(entries),
      `By: ${distinct(entries.map(({ actor }) => actorText(actor))).join('; ') || 'the log names nobody'}`,
      `Authorised: ${authorityOf(entries, dossier)}`,
      ...clocksOf(entries),
    ]),
    ['How it was verified:'],
    bullets([
      ...notes.map((note) => words(note)),
      ...(blocks
        ? [
            `${blocks.count} blocks of ${blocks.blockSizeBytes} bytes; root of their Merkle tree (RFC 6962) ${exact(blocks.merkleRoot)}`,
          ]
        : []),
      ...(transfer
        ? [
            `${transfer.parts} parts of the upload, ${transfer.compared ? 'each compared with the digest that the suspect computed of it' : 'not compared with digests of the suspect'}`,
          ]
        : []),
      ...(notes.length === 0 && !blocks && !transfer ? ['the case records no verification of this exhibit'] : []),
    ]),
    ['Entries of the custody log about it:'],
    entries.length === 0
      ? ['None.']
      : bullets(entries.map(({ sequence, at, message }) => `${sequence}, ${exact(at)}: ${words(message)}`)),
  ];
}

/** What a tool does on the suspect is told before there is an exhibit; it belongs to the memory that this tool has acquired. */
function isAbout(entry: CustodyEntry, { id, kind, tool }: Exhibit): boolean {
  if (entry.exhibit) return entry.exhibit.id === id;
  return kind === 'memory' && entry.tool?.name === tool.name && entry.tool.version === tool.version;
}

function placeOf(location: Exhibit['location']): string {
  if ('s3' in location) {
    const { versionId } = location.s3;
    return `${exact(s3Address(location.s3))}${versionId === undefined ? '' : `, version ${exact(versionId)}`}`;
  }
  const { snapshotId, accountId, region, keyArn } = location;
  return `EBS snapshot ${exact(snapshotId)} in account ${exact(accountId)}, ${exact(region)}, under key ${exact(keyArn)}`;
}

const distinct = (texts: readonly string[]): string[] => [...new Set(texts)];

const documentsOf = (entries: readonly CustodyEntry[]): string[] =>
  distinct(entries.flatMap(({ document }) => (document ? [documentText(document)] : [])));

/** An acquisition that needs no person's consent is done on the finding or the request that opened the case. */
function authorityOf(entries: readonly CustodyEntry[], dossier: CaseDossier): string {
  const decisions = distinct(
    entries.flatMap(({ authority }) => (authority ? [authorityText(dossier, authority)] : [])),
  );
  const acquisition = dossier.manifest.decisions.find(
    ({ checkpoint, verdict }) => checkpoint === 'acquisition' && verdict === 'approve',
  );
  if (decisions.length > 0) return decisions.join('; ');
  if (acquisition) return authorityText(dossier, acquisition);
  const { openedBy, requestedAction } = dossier.request;
  return `no decision of a person is recorded for it; the case was opened by ${exact(openedBy)} with the request ${exact(requestedAction)}`;
}

const clocksOf = (entries: readonly CustodyEntry[]): string[] =>
  entries.flatMap(({ clockOffsetSeconds, at }) =>
    clockOffsetSeconds === undefined ? [] : [`Clock: ${clockText(clockOffsetSeconds)}, measured at ${exact(at)}`],
  );

function missingText({ kind, source, reason, attempts }: MissingEvidence): string {
  const tried = attempts?.length ? ` (${attempts.length} attempt(s))` : '';
  return `${kind} of ${exact(source)}${tried}: ${words(reason)}`;
}
