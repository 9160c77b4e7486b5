export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** Hours that come back every week, by the clock on the wall of one place. */
export interface TimeWindow {
  /** IANA name, e.g. `Europe/Berlin`: daylight saving is its own affair. */
  timeZone: string;
  /** Days on which the window begins. */
  weekdays: Weekday[];
  /** `HH:MM`; the first minute within. */
  from: string;
  /** `HH:MM`, also `24:00`; the first minute after. Not after `from`: the window ends on the next day. */
  to: string;
}

/** Time of day as it is written in a policy. */
export const TIME_OF_DAY = /^(?:[01]\d|2[0-3]):[0-5]\d$|^24:00$/;

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** @param at ISO 8601 */
export function isWithin(window: TimeWindow, at: string): boolean {
  const { weekday, minute } = wallClock(window.timeZone, at);
  const from = minutesOf(window.from);
  const to = minutesOf(window.to);
  if (from < to) return window.weekdays.includes(weekday) && minute >= from && minute < to;
  // Over midnight: the evening belongs to its own day, the small hours to the day before.
  if (minute >= from) return window.weekdays.includes(weekday);
  return minute < to && window.weekdays.includes(dayBefore(weekday));
}

/** E.g. `sat 23:05 Europe/Berlin`. */
export function wallClockText(timeZone: string, at: string): string {
  const { weekday, minute } = wallClock(timeZone, at);
  const padded = (value: number): string => String(value).padStart(2, '0');
  return `${weekday} ${padded(Math.floor(minute / 60))}:${padded(minute % 60)} ${timeZone}`;
}

export const windowText = ({ weekdays, from, to, timeZone }: TimeWindow): string =>
  `${weekdays.join(', ')} ${from} to ${to} ${timeZone}`;

function wallClock(timeZone: string, at: string): { weekday: Weekday; minute: number } {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(new Date(at));
  const part = (type: string): string => parts.find((one) => one.type === type)?.value ?? '';
  const name = part('weekday').toLowerCase();
  const weekday = WEEKDAYS.find((day) => day === name) ?? 'mon';
  return { weekday, minute: Number(part('hour')) * 60 + Number(part('minute')) };
}

function minutesOf(timeOfDay: string): number {
  const [hours = '0', minutes = '0'] = timeOfDay.split(':');
  return Number(hours) * 60 + Number(minutes);
}

function dayBefore(weekday: Weekday): Weekday {
  return WEEKDAYS[(WEEKDAYS.indexOf(weekday) + WEEKDAYS.length - 1) % WEEKDAYS.length] ?? 'sun';
}
