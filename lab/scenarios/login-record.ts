/** Kinds of record, of utmp(5). */
const KIND = { failed: 6, login: 7, logout: 8 } as const;
const RECORD_BYTES = 384;

export interface LoginRecord {
  kind: keyof typeof KIND;
  pid: number;
  /** Terminal, e.g. `pts/0`. */
  terminal: string;
  user: string;
  /** IPv4 address that it came from; empty for a log-out. */
  from: string;
  /** Seconds since 1970. */
  time: number;
}

/** A record of wtmp and btmp as glibc writes it on x86-64 and arm64 (utmp(5), struct utmp). */
export function loginRecord({ kind, pid, terminal, user, from, time }: LoginRecord): Buffer {
  const record = Buffer.alloc(RECORD_BYTES);
  record.writeInt16LE(KIND[kind], 0);
  record.writeInt32LE(pid, 4);
  record.write(terminal, 8, 32);
  record.write(terminal.slice(-4), 40, 4);
  record.write(user, 44, 32);
  record.write(from, 76, 256);
  record.writeInt32LE(time, 340);
  if (from !== '') Buffer.from(from.split('.').map(Number)).copy(record, 348);
  return record;
}
