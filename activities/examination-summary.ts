import { z } from 'zod';

/** Names of outputs that the collection treats in a way of their own. */
export const SUMMARY = 'summary.json';
export const TIMELINE = 'timeline.jsonl.gz';

/**
 * What an examination document says about itself. It comes from a machine that has read hostile evidence, so sizes are
 * bounded and nothing beyond these members is taken over.
 */
export const LARGEST_SUMMARY_BYTES = 512 * 1024;

/** What the document prints as its result; the summary that it speaks of lies among its outputs. */
export const EXAMINATION_REPORT = z.object({
  outcome: z.enum(['succeeded', 'partial', 'failed']),
  summarySha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const words = z
  .string()
  .max(20_000)
  .transform((text) => text.slice(0, 500));
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const TOOL_RUN = z
  .object({
    tool: z.string().min(1).max(100),
    version: z.string().max(100),
    outcome: z.enum(['succeeded', 'failed']),
    records: z.int().nonnegative(),
    seconds: z.number().nonnegative(),
    note: words.optional(),
    /** Name of the tool's output, as the manifest has it. */
    output: z.string().max(200).optional(),
    sha256: sha256.optional(),
    sizeBytes: z.int().nonnegative().optional(),
  })
  .refine(
    (run) => run.output === undefined || (run.sha256 !== undefined && run.sizeBytes !== undefined),
    'an output needs its sha256 and sizeBytes',
  );

export const EXAMINATION_SUMMARY = z.object({
  form: z.literal(1),
  case: z.string(),
  exhibit: z.string(),
  outcome: z.enum(['succeeded', 'partial', 'failed']),
  reason: words.optional(),
  tools: z.array(TOOL_RUN).max(100),
});

export type ExaminationSummary = z.infer<typeof EXAMINATION_SUMMARY>;
export type SummaryToolRun = ExaminationSummary['tools'][number];

/** The summary in a text, or the sentence that tells what is wrong with it. */
export function readSummary(text: string): ExaminationSummary | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'it is not JSON';
  }
  const parsed = EXAMINATION_SUMMARY.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  return `it is not as agreed: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.slice(0, 300);
}
