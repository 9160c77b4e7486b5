import { Outbox } from '../../../lab/agent/outbox';

describe('what an agent has to tell', () => {
  test('goes out in order, and again until it is taken', async () => {
    const log: string[] = [];
    const outbox = new Outbox({ retryMs: 1, log: (line) => log.push(line) });
    const taken: string[] = [];
    let refusals = 3;
    outbox.add(() => {
      refusals -= 1;
      if (refusals >= 0) return Promise.reject(new Error('cut off'));
      taken.push('first');
      return Promise.resolve();
    });
    outbox.add(() => {
      taken.push('second');
      return Promise.resolve();
    });
    expect(taken).toEqual([]);
    await outbox.emptied();
    expect(taken).toEqual(['first', 'second']);
    expect(log).toEqual(Array(3).fill('Error: cut off'));
  });
});
