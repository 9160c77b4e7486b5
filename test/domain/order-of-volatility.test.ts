import { orderOfVolatility, orderOfVolatilityTold } from '../../domain/order-of-volatility';
import { diskExhibit, memoryExhibit } from '../workflows/case-fixtures';

const disk = diskExhibit('vol-1', 'snap-1', '2026-11-22T07:00:00.000Z');
const noAgent = { id: 'memory', kind: 'memory', source: 'i-1', reason: 'the agent is offline' } as const;

test('what was had, from the most volatile down', () => {
  const items = orderOfVolatility([memoryExhibit('i-1'), disk], []);
  expect(items.map(({ item }) => item.split(',')[0])).toEqual([
    'registers',
    'routing table',
    'temporary file systems',
    'disk',
    'remote logging and monitoring data that is relevant to the system',
    'physical configuration',
    'archival media',
  ]);
  expect(items[1]).toEqual({ item: items[1]!.item, heldBy: ['memory'] });
  expect(items[3]).toEqual({ item: 'disk', heldBy: ['vol-1'] });
});

test('what was not had stands there with its reason, first what was lost first', () => {
  const items = orderOfVolatility([disk], [noAgent]);
  expect(items[1]).toMatchObject({ heldBy: [], notAvailable: 'memory: the agent is offline' });
  expect(items[2]).toMatchObject({ heldBy: ['vol-1'], notAvailable: 'memory: the agent is offline' });
  const { message } = orderOfVolatilityTold(items);
  expect(message.indexOf('registers')).toBeLessThan(message.indexOf('the agent is offline'));
  expect(message.indexOf('the agent is offline')).toBeLessThan(message.indexOf('archival media'));
});

test('what nobody asked for is no silence either', () => {
  expect(orderOfVolatility([disk], [])[1]).toMatchObject({ notAvailable: 'no memory was asked for' });
});
