import fc from 'fast-check';
import { appendEntry, headOf } from '../../../domain/custody/chain';
import type { CaseDossier } from '../../../domain/custody/dossier';
import { changesOnSuspect } from '../../../domain/standards/changes-on-suspect';
import { documentsOf } from '../../../domain/standards/documents';
import { declinedDossier, HOSTILE, richDossier } from './dossiers';

const textOf = (dossier: CaseDossier, path: string): string => {
  const document = documentsOf(dossier).find((one) => one.path === path);
  expect(document).toBeDefined();
  return document!.content;
};
const changesText = (dossier: CaseDossier): string => textOf(dossier, 'documents/changes-on-suspect.md');
const certificate = (dossier: CaseDossier): string => textOf(dossier, 'documents/certificate-draft.md');

/** The same value with the keys of every object in the opposite order. */
function turned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(turned);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, one]) => [key, turned(one)]),
  );
}

/** A case in which a suspect or an approver wrote these words wherever words go. */
function dossierWith(words: string): CaseDossier {
  const dossier = richDossier();
  const put = (value: unknown): unknown => {
    if (typeof value === 'string') return value.includes(HOSTILE) ? value.replaceAll(HOSTILE, words) : value;
    if (Array.isArray(value)) return value.map(put);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, put(one)]));
  };
  const changed = put(dossier) as CaseDossier;
  const last = appendEntry(headOf(dossier.entries.at(-1)!), {
    entryId: 'last',
    kind: 'act',
    at: '2026-11-22T08:00:00.000Z',
    message: words,
    actor: { name: words, knownBy: 'claimed' },
    tool: { name: words, version: words, arguments: [words] },
    exhibit: { id: words, kind: 'disk', source: words },
    authority: { checkpoint: words, planHash: words },
    sha256: words,
    data: { changesSuspect: true, change: words },
    notify: false,
  });
  return { ...changed, entries: [...changed.entries, last] };
}

test('the same case makes the same documents, whatever the order of keys', () => {
  expect(documentsOf(richDossier()).map(({ path }) => path)).toEqual([
    'documents/case.jsonld',
    'documents/certificate-draft.md',
    'documents/changes-on-suspect.md',
  ]);
  expect(documentsOf(richDossier())).toEqual(documentsOf(richDossier()));
  expect(documentsOf(turned(richDossier()) as CaseDossier)).toEqual(documentsOf(richDossier()));
  expect(documentsOf(declinedDossier())).not.toEqual(documentsOf(richDossier()));
});

test('no words make a document that is none', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.constant(HOSTILE)),
      (words) => {
        // A half of a surrogate pair beside whatever else.
        const [linked, ...texts] = documentsOf(dossierWith(`${words}\udc00`));
        const document = JSON.parse(linked!.content) as { '@graph': unknown[] };
        expect(document['@graph'].length).toBeGreaterThan(50);
        expect(linked!.content).not.toMatch(/undefined|\\ud[89a-f]|\\u00(0[0-8bcef]|1)/i);
        for (const { content } of texts) {
          expect(content).not.toMatch(/\p{Surrogate}|[\p{Cf}\p{Zl}\p{Zp}]/u);
          expect(content.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
        }
      },
    ),
    { numRuns: 30 },
  );
});

test('what a suspect wrote opens no markup, no link and no heading', () => {
  for (const text of [changesText(richDossier()), certificate(richDossier())]) {
    expect(text).toContain('alert');
    expect(text).not.toMatch(/<script|\]\(http|\n# heading|\u202e/);
    expect(text.match(/^# /gm)).toHaveLength(1);
  }
});

describe('changes on the suspect', () => {
  test('are the acts that say so, in the order of the log', () => {
    const changes = changesOnSuspect(richDossier());
    expect(changes.map(({ entry }) => entry.sequence)).toEqual([3, 4, 12]);
    expect(changes.map(({ change, reversible }) => [change.split(' ')[0], reversible])).toEqual([
      ['termination', true],
      ['memory', false],
      ['network', true],
    ]);
    expect(changes.map(({ phases }) => phases)).toEqual([['protection'], ['acquisition'], ['containment']]);
  });

  test('a tool in the memory of the suspect has its known weaknesses; a call of AWS has none', () => {
    const ids = changesOnSuspect(richDossier()).map(({ weaknesses }) => weaknesses.map(({ id }) => id));
    expect(ids).toEqual([[], ['DFW-1036', 'DFW-1030', 'DFW-1031'], []]);
  });

  test('each tells when, by whom, under whose authority, with what and by which call', () => {
    const text = changesText(richDossier());
    const [, , memory = '', network = ''] = text.split(/^## /m);
    expect(memory).toContain('When: `2026-11-22T07:02:00.000Z`');
    expect(memory).toContain(`AVML 0.21.0, SHA-256 \`${'9'.repeat(64)}\``);
    expect(memory).toContain(`\`forensics-acquire-memory-linux\`, version \`3\`, SHA-256 \`${'5'.repeat(64)}\``);
    expect(memory).toContain('request id `request-2`');
    expect(memory).toContain('Can be undone: no');
    expect(memory).toContain('no decision of a person stands with it');
    expect(network).toContain('approved by `arn:aws:sts::111122223333:assumed-role/responder/ann` (proven');
    expect(network).toContain('Can be undone: yes');
  });

  test('a log without any says so', () => {
    expect(changesOnSuspect(declinedDossier())).toEqual([]);
    expect(changesText(declinedDossier())).toContain('records no change that was made on the suspect');
  });

  test('an approval of another plan is no authority', () => {
    const dossier = richDossier();
    const [decision] = dossier.manifest.decisions;
    const other = { ...dossier.manifest, decisions: [{ ...decision!, planHash: '0'.repeat(64) }] };
    expect(changesText({ ...dossier, manifest: other })).toContain('the manifest holds no decision to approve it');
  });
});

describe('approvals of one plan', () => {
  /** Another approval of the isolation before that of ann, and perhaps the end of the time to decide between them. */
  function withEarlier(name: string, data: Record<string, unknown>, isExpired: boolean): CaseDossier {
    const dossier = richDossier();
    const index = dossier.entries.findIndex(({ kind }) => kind === 'decision-taken');
    const decision = dossier.entries[index]!;
    const { checkpoint } = decision.authority!;
    const earlier = {
      ...decision,
      actor: { name, knownBy: 'claimed' as const },
      data: { ...decision.data, approver: name, ...data },
    };
    const expired = { ...earlier, kind: 'consent-expired' as const, data: { checkpoint } };
    return { ...dossier, entries: dossier.entries.toSpliced(index, 0, earlier, ...(isExpired ? [expired] : [])) };
  }

  test('all count where more than one person had to approve', () => {
    expect(changesText(withEarlier('carol', {}, false))).toMatch(/approved by `carol` .*; by `arn:.*\/ann`/);
  });

  test('those of an asking that expired do not', () => {
    expect(changesText(withEarlier('carol', {}, true))).not.toContain('carol');
  });

  test('one that was taken in an emergency says so', () => {
    expect(changesText(withEarlier('carol', { breakGlass: true }, false))).toMatch(/`carol` .*EMERGENCY, alone/);
  });
});

describe('the draft of the certificate', () => {
  test('is marked as one, and leaves name, title, date and signature to a person', () => {
    const text = certificate(richDossier());
    expect(text).toMatch(/^# DRAFT/);
    for (const blank of ['Name', 'Title and organisation', 'Executed on \\(date\\)', 'Signature'])
      expect(text).toMatch(new RegExp(`^- ${blank}: _+$`, 'm'));
  });

  test('lists each exhibit with its digest, its acquisition and its verification', () => {
    const dossier = richDossier();
    const exhibits = certificate(dossier).split(/^### /m).slice(1);
    expect(exhibits).toHaveLength(3);
    for (const [index, { sha256, notes }] of dossier.manifest.exhibits.entries()) {
      expect(exhibits[index]).toContain(`SHA-256: \`${sha256}\``);
      expect(exhibits[index]).toContain(notes[0]);
    }
    expect(exhibits[0]).toContain('`forensics-acquire-memory-linux`, version `3`');
    expect(exhibits[1]).not.toContain('forensics-acquire-memory-linux');
    expect(exhibits[0]).toContain("the suspect's clock was 3 s behind ours");
    expect(exhibits[1]).toContain(`root of their Merkle tree (RFC 6962) \`${'e'.repeat(64)}\``);
  });

  test('tells what is missing and why', () => {
    expect(certificate(richDossier())).toContain('disk of `vol-0cccccccccccccccc`: its key is disabled');
    expect(certificate(declinedDossier())).toContain('No exhibit was acquired.');
    expect(certificate(declinedDossier())).toContain('acquisition: reject by `bob`');
  });

  test('an exhibit that nothing was noted of was not verified as far as the case knows', () => {
    const dossier = richDossier();
    const [memory, ...others] = dossier.manifest.exhibits;
    const { transfer, ...bare } = { ...memory!, notes: [] };
    expect(transfer).toBeDefined();
    const manifest = { ...dossier.manifest, exhibits: [bare, ...others] };
    expect(certificate({ ...dossier, manifest })).toContain('the case records no verification of this exhibit');
    expect(certificate(dossier)).not.toContain('the case records no verification');
  });
});
