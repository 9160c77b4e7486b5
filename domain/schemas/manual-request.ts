import { z } from 'zod';
import { SEVERITIES } from '../finding';
import { ACCOUNT_ID, INSTANCE_ID, REGION } from '../target';

/** What an analyst asks for by hand; the CLI's `open` builds one, and a JSON file may hold one. */
export const manualRequestSchema = z.strictObject({
  kind: z.literal('manual'),
  accountId: z.string().regex(ACCOUNT_ID, 'must be 12 digits'),
  region: z.string().regex(REGION, 'must be an AWS Region code such as us-east-1'),
  instanceId: z.string().regex(INSTANCE_ID, 'must be i- and 8 or 17 hexadecimal digits'),
  reason: z.string().min(1).max(4096),
  severity: z.enum(SEVERITIES).default('high'),
  action: z.enum(['by-policy', 'acquire', 'acquire-and-isolate']).default('acquire-and-isolate'),
  openedBy: z.string().min(1).max(256),
  dryRun: z.literal(true).exactOptional(),
});
export type ManualRequest = z.input<typeof manualRequestSchema>;
