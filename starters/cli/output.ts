import Table from 'cli-table3';
import { printable } from '../printable';

export { printable };

/** A user's mistake or a missing case: one line, no stack trace, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const print = (text: string): void => void process.stdout.write(`${printable(text)}\n`);
export const printJson = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);

export function table(head: string[], rows: string[][]): string {
  const out = new Table({
    head,
    style: { head: [], border: [], compact: true },
    chars: {
      top: '',
      'top-mid': '',
      'top-left': '',
      'top-right': '',
      bottom: '',
      'bottom-mid': '',
      'bottom-left': '',
      'bottom-right': '',
      left: '',
      'left-mid': '',
      mid: '',
      'mid-mid': '',
      right: '',
      'right-mid': '',
      middle: '  ',
    },
  });
  out.push(...rows.map((row) => row.map(printable)));
  return out.toString();
}

export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ''}`;
}
