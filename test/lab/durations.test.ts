import { durationsFrom, durationsOf, durationVariables, SCALE } from '../../lab/durations';

describe('durations of the lab', () => {
  it('are brief unless LAB_TIME says otherwise: two seconds for a snapshot and for a copy, nothing for the rest', () => {
    const { snapshotSeconds, copySeconds, ...others } = durationsFrom({});
    expect([snapshotSeconds, copySeconds]).toEqual([2, 2]);
    expect(new Set(Object.values(others))).toEqual(new Set([0]));
    expect(durationsFrom({ LAB_TIME: 'scaled' })).toEqual(durationsOf('scaled'));
    expect(durationsOf('scaled').instanceStartSeconds).toBeGreaterThan(0);
    const realistic = durationsFrom({ LAB_TIME: 'realistic' });
    expect(realistic.snapshotSeconds).toBe(durationsOf('scaled').snapshotSeconds * SCALE);
    expect(new Set(Object.values(durationsFrom({ LAB_TIME: 'instant' })))).toEqual(new Set([0]));
  });

  it('a variable overrides one duration; a whole duration leaves no share per GiB', () => {
    const durations = durationsFrom({ LAB_TIME: 'realistic', LAB_SNAPSHOT_SECONDS: '9', LAB_ATTACH_SECONDS: '0' });
    expect(durations).toMatchObject({ snapshotSeconds: 9, snapshotSecondsPerGiB: 0, attachSeconds: 0 });
    expect(durations.copySecondsPerGiB).toBeGreaterThan(0);
    expect(durationsFrom({ LAB_COPY_SECONDS: '9', LAB_COPY_SECONDS_PER_GIB: '3' })).toMatchObject({
      copySeconds: 9,
      copySecondsPerGiB: 3,
    });
  });

  it('what is no duration, and no mode, is refused by name', () => {
    expect(() => durationsFrom({ LAB_COPY_SECONDS: 'soon' })).toThrow('LAB_COPY_SECONDS="soon"');
    expect(() => durationsFrom({ LAB_DETACH_SECONDS: '-1' })).toThrow('LAB_DETACH_SECONDS');
    expect(() => durationsFrom({ LAB_TIME: 'fast' })).toThrow('instant, brief, scaled or realistic');
  });

  it('reach the emulator by the same variables; an absent one is 0', () => {
    const variables = durationVariables({ snapshotSeconds: 1, copySeconds: 2 });
    expect(variables).toMatchObject({ LAB_SNAPSHOT_SECONDS: '1', LAB_COPY_SECONDS: '2', LAB_ATTACH_SECONDS: '0' });
    expect(durationsFrom(variables)).toMatchObject({ snapshotSeconds: 1, copySeconds: 2, attachSeconds: 0 });
  });
});
