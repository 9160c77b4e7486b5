/** One thing that was looked at, and whether it is as it was sealed. */
export interface Check {
  what: string;
  holds: boolean;
  /** What was found; of a failed check what is wrong, with file and line. */
  detail: string;
  /** Of a sealed file: whether it is there; evidence may be left out. */
  file?: 'included' | 'absent';
}
