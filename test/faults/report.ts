import type { Comparison } from './comparison';
import { LAB_ACCOUNTS } from '../../lab/config';

/** The kill points and what came of them, as text. */
export function reportOf({ points, kills, differences, problems }: Comparison, seconds: number): string {
  const account = (id: string): string => Object.entries(LAB_ACCOUNTS).find(([, one]) => one === id)?.[0] ?? id;
  const rows = [...points]
    .sort((a, b) => order(a).localeCompare(order(b)))
    .map((point) => [
      account(point.account),
      `${point.service}:${point.action}`,
      String(point.ordinal),
      point.killed.before ? 'killed' : 'NOT MET',
      point.killed.after ? 'killed' : 'NOT MET',
      point.subject,
    ]);
  return [
    table([['account', 'call', '#', 'before', 'after', 'of'], ...rows]),
    '',
    `${points.length} calls, ${2 * points.length} kill points, ${kills} kills, ${seconds.toFixed(0)} s`,
    `Differences from the undisturbed case: ${differences.length === 0 ? 'none' : ''}`,
    ...differences.map(({ line, undisturbed, killed }) => `  undisturbed ${undisturbed}, killed ${killed}: ${line}`),
    `Problems: ${problems.length === 0 ? 'none' : ''}`,
    ...problems.map((problem) => `  ${problem}`),
    '',
  ].join('\n');
}

const order = ({ account, service, action, ordinal }: Comparison['points'][number]): string =>
  `${account} ${service} ${action} ${String(ordinal).padStart(4, '0')}`;

function table(rows: string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
