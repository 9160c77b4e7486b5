import type { CaseDossier } from '../custody/dossier';
import type { CustodyActor, CustodyFacts } from '../custody/facts';
import { escapeMarkdown } from '../markdown';
import { approvalsOf } from './approvals';

/** Characters of one text that a document shows. */
const LONGEST = 2_000;

/** Words of others, safe inside a line of Markdown; a pair of surrogates that the limit would cut in two is no text either. */
export const words = (text: string): string => escapeMarkdown(text, LONGEST).replace(/\p{Surrogate}/gu, '\ufffd');

/** A time, a digest, an ARN, an address, as it is, so that it can be read and copied; anything else as words. */
export const exact = (text: string): string => (/^[\w.:/@+=%-]{1,2000}$/.test(text) ? `\`${text}\`` : words(text));

export const bullets = (lines: readonly string[]): string[] => lines.map((line) => `- ${line}`);

/** Lines to a document; blank lines stand between blocks, and one at most. */
export const documentOf = (blocks: readonly (readonly string[])[]): string =>
  `${blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n')}\n`;

const KNOWN_BY: Record<CustodyActor['knownBy'], string> = {
  proven: 'proven: AWS STS vouched for this principal',
  service: 'a role of the product',
  claimed: 'a name that was given, not proven',
};

export const actorText = ({ name, knownBy }: CustodyActor): string => `${exact(name)} (${KNOWN_BY[knownBy]})`;

/** The decision under which something was done, as the log and the manifest have it. */
export function authorityText(
  dossier: CaseDossier,
  { checkpoint, planHash }: NonNullable<CustodyFacts['authority']>,
): string {
  const plan = `checkpoint ${words(checkpoint)}, plan with SHA-256 ${exact(planHash)}`;
  const approvals = approvalsOf(dossier, { checkpoint, planHash });
  if (approvals.length === 0) return `${plan}; the manifest holds no decision to approve it`;
  const by = approvals.map(
    ({ actor, decidedAt, breakGlass }) =>
      `${actorText(actor)} at ${exact(decidedAt)}${breakGlass ? ' IN AN EMERGENCY, alone' : ''}`,
  );
  return `approved by ${by.join('; by ')}; ${plan}`;
}

/** By how much the suspect's clock differed. */
export const clockText = (offsetSeconds: number): string =>
  `the suspect's clock was ${Math.abs(offsetSeconds)} s ${offsetSeconds < 0 ? 'behind' : 'ahead of'} ours`;

export const documentText = ({ name, version, sha256 }: NonNullable<CustodyFacts['document']>): string =>
  `SSM document: ${exact(name)}, version ${exact(version)}, SHA-256 ${exact(sha256)}`;

/** Which log a document was made from, so that it can be held against the log. */
export function madeFrom({ outcome, entries }: CaseDossier): string {
  const last = entries.at(-1);
  return last
    ? `Made from the ${entries.length} entries of the custody log of case ${exact(outcome.caseId)}, of which the last has SHA-256 ${exact(last.hash)}.`
    : `The custody log of case ${exact(outcome.caseId)} has no entry.`;
}

/** A program or a service, as it was run. */
export const toolText = (tool: NonNullable<CustodyFacts['tool']>): string =>
  [
    `${words(tool.name)} ${words(tool.version)}`,
    ...(tool.sha256 === undefined ? [] : [`SHA-256 ${exact(tool.sha256)}`]),
    ...(tool.arguments === undefined || tool.arguments.length === 0
      ? []
      : [`arguments ${tool.arguments.map((one) => exact(one)).join(' ')}`]),
  ].join(', ');
