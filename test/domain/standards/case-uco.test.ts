import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { CaseDossier } from '../../../domain/custody/dossier';
import { caseUcoOf } from '../../../domain/standards/case-uco';
import { CASE_VALIDATE_TIMEOUT, caseValidate } from './case-validate';
import { declinedDossier, richDossier } from './dossiers';

type Thing = Record<string, unknown> & { '@id': string; '@type': string };

const thingsOf = (dossier: CaseDossier): Thing[] => (caseUcoOf(dossier) as { '@graph': Thing[] })['@graph'];
const ofType = (things: Thing[], type: string): Thing[] => things.filter((thing) => thing['@type'] === type);
const named = (things: Thing[], type: string, name: string): Thing => {
  const found = ofType(things, type).filter((thing) => thing['uco-core:name'] === name);
  expect(found).toHaveLength(1);
  return found[0]!;
};
const reference = (thing: Thing) => ({ '@id': thing['@id'] });
const relations = (things: Thing[], kind: string, source: Thing): unknown[] =>
  things
    .filter((one) => one['uco-core:kindOfRelationship'] === kind)
    .filter((one) => (one['uco-core:source'] as Thing)['@id'] === source['@id'])
    .map((one) => one['uco-core:target']);
const entry = (things: Thing[], dossier: CaseDossier, sequence: number): Thing => {
  const { hash } = dossier.entries[sequence - 1]!;
  const found = things.find((thing) => JSON.stringify(thing).includes(`"${sequence} ${hash}"`));
  expect(found).toBeDefined();
  return found!;
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'case-uco-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function verdictOn(name: string, document: object): Promise<{ conforms: boolean; report: string }> {
  const file = path.join(folder, `${name}.jsonld`);
  await writeFile(file, JSON.stringify(document));
  return caseValidate(file);
}

test.each([
  ['full', richDossier],
  ['declined', declinedDossier],
])(
  'case_validate has nothing against a %s case',
  async (name, dossier) => {
    expect(await verdictOn(name, caseUcoOf(dossier()))).toEqual({
      conforms: true,
      report: expect.stringMatching(/^Validation Report\nConforms: True\n$/),
    });
  },
  CASE_VALIDATE_TIMEOUT,
);

test(
  'case_validate refuses a time that is none, a performer that is no thing and an action of an unknown class',
  async () => {
    const broken = JSON.stringify(caseUcoOf(declinedDossier()))
      .replace(/"@type":"xsd:dateTime","@value":"[^"]*"/, '"@type":"xsd:dateTime","@value":"yesterday"')
      .replace(/"uco-action:performer":\{[^}]*\}/, '"uco-action:performer":"somebody"')
      .replace('"uco-observable:Memory"', '"uco-observable:Remembrance"');
    const { conforms, report } = await verdictOn('broken', JSON.parse(broken) as object);
    expect(conforms).toBe(false);
    expect(report).toContain('action:startTime');
    expect(report).toContain('action:performer');
    expect(report).toContain('Remembrance');
  },
  CASE_VALIDATE_TIMEOUT,
);

test('every reference leads to a thing of the document, and all of them belong to the investigation', () => {
  const document = caseUcoOf(richDossier()) as { '@graph': Thing[] };
  const known = new Set(document['@graph'].map((thing) => thing['@id']));
  const investigation = ofType(document['@graph'], 'case-investigation:Investigation')[0]!;
  const parts = new Set((investigation['uco-core:object'] as Thing[]).map((thing) => thing['@id']));
  expect(parts.size).toBe(known.size - 1);
  const pending: unknown[] = [...document['@graph']];
  let references = 0;
  for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
    if (typeof one !== 'object' || one === null) continue;
    pending.push(...(Object.values(one).flat() as unknown[]));
    const { '@id': id, ...others } = one as Partial<Thing>;
    if (id === undefined || Object.keys(others).length > 0) continue;
    references += 1;
    expect(known).toContain(id);
  }
  expect(references).toBeGreaterThan(100);
});

test('an exhibit has its digest, its number and its way back to what it was taken from', () => {
  const things = thingsOf(richDossier());
  const image = named(things, 'uco-observable:Image', 'vol-0aaaaaaaaaaaaaaaa');
  const volume = named(things, 'uco-observable:Volume', 'vol-0aaaaaaaaaaaaaaaa');
  expect(JSON.stringify(image)).toContain('b'.repeat(64));
  expect(relations(things, 'Copy_Of', image)).toEqual([reference(volume)]);
  const record = ofType(things, 'case-investigation:ProvenanceRecord').find(
    (one) => one['case-investigation:exhibitNumber'] === 'vol-0aaaaaaaaaaaaaaaa',
  );
  expect(record).toMatchObject({ 'uco-core:object': [reference(image), reference(volume)] });
  // timeline ← snapshot copy (the exhibit) ← snapshot ← volume
  const [timeline] = things.filter(
    (one) => one['@type'] === 'uco-observable:File' && one['uco-core:name'] === 'timeline.jsonl',
  );
  const snapshot = named(things, 'uco-observable:Image', 'snap-0123456789abcdef0');
  expect(relations(things, 'Derived_From', timeline!)).toEqual([reference(image)]);
  expect(relations(things, 'Derived_From', image)).toEqual([reference(snapshot)]);
  expect(relations(things, 'Derived_From', snapshot)).toEqual([reference(volume)]);
});

test('what was made from two exhibits names both as its roots', () => {
  const things = thingsOf(richDossier());
  const both = named(things, 'uco-observable:File', 'both.jsonl');
  const record = ofType(things, 'case-investigation:ProvenanceRecord').find((one) =>
    JSON.stringify(one['uco-core:object']).includes(both['@id']),
  );
  expect(record?.['case-investigation:rootExhibitNumber']).toEqual(['memory', 'vol-0aaaaaaaaaaaaaaaa']);
});

test('an act names who did it, with what, where, under whose authority and by which calls', () => {
  const dossier = richDossier();
  const things = thingsOf(dossier);
  const acquisition = entry(things, dossier, 4);
  const isolation = entry(things, dossier, 12);
  const decision = entry(things, dossier, 11);
  const device = ofType(things, 'uco-observable:Device')[0]!;
  expect(acquisition).toMatchObject({
    'uco-core:name': 'act: acquireMemory',
    'uco-core:description': expect.arrayContaining(["the suspect's clock was 3 s behind ours"]),
    'uco-action:environment': reference(device),
    'uco-action:endTime': { '@type': 'xsd:dateTime', '@value': dossier.entries[3]!.at },
  });
  expect(acquisition).not.toHaveProperty('uco-action:startTime');
  expect(JSON.stringify(acquisition)).toContain('request-2');
  const [tool] = ofType(things, 'uco-tool:ConfiguredTool').filter((one) => one['uco-core:name'] === 'AVML');
  expect(acquisition['uco-action:instrument']).toContainEqual(reference(tool!));
  // The digest of the stream is that of the exhibit: the act's result is the exhibit.
  expect(acquisition['uco-action:result']).toEqual([reference(named(things, 'uco-observable:Image', 'memory'))]);
  const [authorization] = ofType(things, 'case-investigation:Authorization');
  expect(authorization).toMatchObject({ 'case-investigation:authorizationIdentifier': 'd'.repeat(64) });
  expect(decision['uco-action:result']).toEqual([reference(authorization!)]);
  expect(relations(things, 'Authorized_By', isolation)).toEqual([reference(authorization!)]);
  expect(isolation['case-investigation:wasInformedBy']).toEqual([reference(decision)]);
  const containment = named(things, 'case-investigation:InvestigativeAction', 'phase: containment');
  expect(containment['uco-action:subaction']).toContainEqual(reference(isolation));
});

test('a disk is the volume before it is acquired, and the image from then on', () => {
  const dossier = richDossier();
  const things = thingsOf(dossier);
  const image = named(things, 'uco-observable:Image', 'vol-0aaaaaaaaaaaaaaaa');
  const volume = named(things, 'uco-observable:Volume', 'vol-0aaaaaaaaaaaaaaaa');
  expect(entry(things, dossier, 7)['uco-action:object']).toEqual([reference(volume)]);
  expect(entry(things, dossier, 7)['uco-action:result']).toContainEqual(reference(image));
  expect(entry(things, dossier, 10)['uco-action:object']).toEqual([reference(image)]);
});

test('missing evidence is told with its reason; a rejection authorizes nothing', () => {
  const [annotation] = ofType(thingsOf(richDossier()), 'uco-core:Annotation');
  expect(JSON.stringify(annotation)).toContain('not available: its key is disabled');
  expect(ofType(thingsOf(declinedDossier()), 'case-investigation:Authorization')).toEqual([]);
});
