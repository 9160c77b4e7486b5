import { differences, footprint, type Resources } from './aws-state';

const names = new Map([
  ['i-0aaaaaaaaaaaaaaa1', '<suspect>'],
  ['case-1', '<case>'],
]);
const snapshot = (shares: string[] = []): unknown => ({ tags: ['forensics:case=case-1'], shares });
const empty: Resources = new Map();

describe('footprint of a case', () => {
  test('names what is new, changed and gone by its part, and leaves out what stayed', () => {
    const before: Resources = new Map<string, unknown>([
      ['instance: i-0aaaaaaaaaaaaaaa1', { protection: false }],
      ['security group: sg-0bbbbbbbbbbbbbbb1', { name: 'app' }],
      ['address: eipalloc-0ccccccccccccccc1', {}],
    ]);
    const after: Resources = new Map<string, unknown>([
      ['instance: i-0aaaaaaaaaaaaaaa1', { protection: true }],
      ['security group: sg-0bbbbbbbbbbbbbbb1', { name: 'app' }],
      ['snapshot: snap-0ddddddddddddddd1', snapshot()],
    ]);
    expect(footprint(before, after, names)).toEqual([
      'changed instance: <suspect> {"protection":true}',
      'new snapshot {"tags":["forensics:case=<case>"],"shares":[]}',
      'removed address: <eipalloc>',
    ]);
  });
});

describe('differences', () => {
  const undisturbed = footprint(empty, new Map([['snapshot: snap-0ddddddddddddddd1', snapshot()]]), names);

  test('none between two cases that only differ in ids', () => {
    const other = footprint(empty, new Map([['snapshot: snap-0eeeeeeeeeeeeeee1', snapshot()]]), names);
    expect(differences(undisturbed, other)).toEqual([]);
  });

  test('a second snapshot shows, with how often it is there', () => {
    const doubled = new Map([
      ['snapshot: snap-0ddddddddddddddd1', snapshot()],
      ['snapshot: snap-0ddddddddddddddd2', snapshot()],
    ]);
    expect(differences(undisturbed, footprint(empty, doubled, names))).toEqual([
      { line: undisturbed[0], undisturbed: 1, killed: 2 },
    ]);
  });

  test('a share that was left shows, as one line missing and another one there', () => {
    const shared = new Map([['snapshot: snap-0ddddddddddddddd1', snapshot(['444455556666'])]]);
    expect(differences(undisturbed, footprint(empty, shared, names)).map(({ killed }) => killed)).toEqual([1, 0]);
  });
});
