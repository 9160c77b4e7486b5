import { loadScenario, readScenario, scenarioNames } from '../../../lab/scenarios/scenario';

const TRACE = { id: 'one', tells: 'something', plant: 'emptied-log', at: '-5m', path: '/var/log/x' };
const read = (...traces: object[]) =>
  readScenario(JSON.stringify({ name: 'mine', summary: 'Mine.', traces }), 'mine.yaml');

describe('a scenario', () => {
  it('comes with the lab: an intrusion, and one in which there is nothing to find', async () => {
    expect(await scenarioNames()).toEqual(['clean', 'intrusion']);
    const [clean, intrusion] = await Promise.all([loadScenario('clean'), loadScenario('intrusion')]);
    expect(clean.noFindingFrom).toBe('high');
    expect(clean.traces.flatMap(({ expect: wanted }) => wanted.filter((one) => 'finding' in one))).toEqual([]);
    for (const { id, expect: wanted } of intrusion.traces) expect(`${id} ${wanted.length > 0}`).toBe(`${id} true`);
  });

  it('gives durations in seconds, and defaults', () => {
    expect(read(TRACE).traces).toEqual([{ ...TRACE, at: 300, expect: [] }]);
    expect(read({ ...TRACE, at: undefined }).traces[0]).toMatchObject({ at: 0 });
  });

  it('that is not there is refused with the names of those that are', async () => {
    await expect(loadScenario('intrusoin')).rejects.toThrow(
      'there is no scenario "intrusoin": give clean, intrusion or the path of a file',
    );
  });
});

describe('a fault is told with the field that it is in', () => {
  const program = { id: 'implant', tells: 'it', plant: 'program', path: '/tmp/.x', processName: 'x' };
  it.each<[string, object[], string]>([
    ['a field that is missing', [{ ...TRACE, path: undefined }], 'mine.yaml: traces[0] (one).path: '],
    ['a field that is not known', [{ ...TRACE, pth: 1 }], 'mine.yaml: traces[0] (one): Unrecognized key: "pth"'],
    ['a kind that is not known', [{ ...TRACE, plant: 'rootkit' }], 'traces[0] (one).plant: is no kind of trace'],
    ['a time to come', [{ ...TRACE, at: '5m' }], '(one).at: is a time before planting, such as -50m'],
    ['a path that climbs', [{ ...TRACE, path: '/var/../etc' }], '(one).path: has no ".." in it'],
    ['a path that is not absolute', [{ ...TRACE, path: 'x' }], '(one).path: is an absolute path'],
    ['an id that is there twice', [TRACE, TRACE], 'traces[1] (one).id: "one" is there twice'],
    ['an open end', [{ ...program, hours: 100 }], 'traces[0] (implant).hours: '],
    [
      'an expectation of no kind',
      [{ ...TRACE, expect: [{ text: 'x' }] }],
      '(one).expect[0]: is {timeline: PARSER, text}',
    ],
    [
      'a session of nothing',
      [{ ...TRACE, plant: 'session', at: undefined, path: undefined, of: 'x' }],
      '"x" is no program',
    ],
    [
      'a session before its program',
      [{ id: 'call', tells: 'it', plant: 'session', of: 'implant' }, program],
      'traces[0] (call).of: "implant" is no program with a beacon before it',
    ],
    [
      'more than one line where one is meant',
      [{ id: 'h', tells: 'it', plant: 'shell-history', user: 'root', commands: ['a\nb'] }],
      'traces[0] (h).commands[0]: is one line without control characters',
    ],
  ])('%s', (_what, traces, message) => {
    expect(() => read(...traces)).toThrow(message);
  });

  it('text that is no YAML', () => {
    expect(() => readScenario('a: [', 'mine.yaml')).toThrow(/^mine\.yaml: .*line 1/);
  });
});
