import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

const RECORDED_TRACES = z.array(
  z.strictObject({
    id: z.string(),
    /** Absolute path on the root volume. */
    path: z.string(),
    /** A piece of the file's text. */
    contains: z.string(),
    /** UTC, ISO 8601. */
    modifiedAt: z.iso.datetime(),
    tells: z.string(),
  }),
);

export type RecordedTrace = z.infer<typeof RECORDED_TRACES>[number];

/** What is planted in the disks that `makeDisk` makes: recorded-traces.yaml. */
export async function recordedTraces(): Promise<RecordedTrace[]> {
  return RECORDED_TRACES.parse(parse(await readFile(path.join(__dirname, 'recorded-traces.yaml'), 'utf8')));
}
