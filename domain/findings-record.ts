/** A row or event as a tool printed it: nothing about it is certain, since its content comes from the exhibit. */
export type ToolRecord = Readonly<Record<string, unknown>>;

export function asRecord(value: unknown): ToolRecord | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as ToolRecord) : undefined;
}

/** The text of a field; '' where there is none. */
export function text(record: ToolRecord, field: string): string {
  const value = record[field];
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
}

/** The number of a field, also where the tool prints it as text; NaN where there is none. */
export function number(record: ToolRecord, field: string): number {
  const value = record[field];
  if (typeof value === 'number') return value;
  return typeof value === 'string' && value.trim() !== '' ? Number(value) : NaN;
}

/** A flag, as JSON or as Python prints it. */
export function flag(record: ToolRecord, field: string): boolean {
  return record[field] === true || record[field] === 'True';
}
