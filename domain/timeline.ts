import type { TimelineEvent } from './examination';

/** Longest message that a timeline event keeps, in characters. */
const MESSAGE_LENGTH = 4096;

/**
 * One line of plaso's `psort -o json_line` as an event of ours; undefined for a line without a time (plaso writes
 * "Not a time" stamps as 0) or that is not JSON.
 * Source: plaso's JSON line output; `timestamp` is microseconds since 1970 in UTC.
 */
export function timelineEventOf(line: string, exhibit: string): TimelineEvent | undefined {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof record !== 'object' || record === null) return undefined;
  const { timestamp, message, data_type: dataType, timestamp_desc: meaning } = record as Record<string, unknown>;
  if (typeof timestamp !== 'number' || timestamp === 0) return undefined;
  const time = new Date(timestamp / 1000);
  if (Number.isNaN(time.getTime())) return undefined;
  const text = typeof message === 'string' ? message.slice(0, MESSAGE_LENGTH) : '';
  return {
    time: time.toISOString(),
    exhibit,
    source: typeof dataType === 'string' ? dataType : 'plaso',
    message: typeof meaning === 'string' && meaning !== '' ? `[${meaning}] ${text}` : text,
  };
}
