import type { CaseDossier } from '../custody/dossier';
import { caseUcoOf } from './case-uco';
import { certificateDraftOf } from './certificate-draft';
import { unavoidableChangesOf } from './changes-on-suspect';

/** A document that is made from a case for counsel and for other tools; `path` is its place in the bundle. */
export interface CaseDocument {
  path: string;
  content: string;
}

/** All of them. Pure: the same dossier makes the same bytes. */
export const documentsOf = (dossier: CaseDossier): CaseDocument[] => [
  { path: 'documents/case.jsonld', content: `${JSON.stringify(caseUcoOf(dossier), null, 2)}\n` },
  { path: 'documents/certificate-draft.md', content: certificateDraftOf(dossier) },
  { path: 'documents/changes-on-suspect.md', content: unavoidableChangesOf(dossier) },
];
