import { asRecord, number, text, type ToolRecord } from './findings-record';

/** What the rules need of an event of plaso's `json_line` output. */
export interface PlasoEvent {
  /** 1-based line of the timeline. */
  line: number;
  /** Microseconds since 1970, UTC. */
  timestamp: number;
  type: string;
  /** What the timestamp says, e.g. `Creation Time`. */
  meaning: string;
  /** Program that wrote a log line. */
  reporter: string;
  /** The log line itself, or the command. */
  message: string;
  /** File that the event is about or comes from. */
  file: string;
  record: ToolRecord;
}

/** Gives `undefined` for what is no event. */
export function plasoEvent(value: unknown, line: number): PlasoEvent | undefined {
  const record = asRecord(value);
  if (!record) return undefined;
  const timestamp = number(record, 'timestamp');
  const displayed = text(record, 'display_name');
  return {
    line,
    timestamp: Number.isFinite(timestamp) ? timestamp : 0,
    type: text(record, 'data_type'),
    meaning: text(record, 'timestamp_desc'),
    reporter: text(record, 'reporter'),
    message: text(record, 'message_body') || text(record, 'command') || text(record, 'message'),
    // Some events have no `filename`; the display name is `<file system>:<path>`.
    file: text(record, 'filename') || displayed.slice(displayed.indexOf(':') + 1),
    record,
  };
}

/** ISO 8601, UTC; nothing for the zero that plaso gives where there is no time, and for times that no calendar has. */
export function isoTime(timestamp: number): { time?: string } {
  const date = new Date(timestamp / 1000);
  return timestamp > 0 && !Number.isNaN(date.getTime()) ? { time: date.toISOString() } : {};
}
