import { readFileSync } from 'node:fs';
import { parse, YAMLParseError } from 'yaml';
import { z } from 'zod';
import type { ForensicsConfig } from '../activities/config';
import { SEVERITIES } from '../domain/finding';
import { DEFAULT_POLICY } from '../domain/policy';
import { ACCOUNT_ID, REGION } from '../domain/target';

/** The configuration file is missing or wrong; the message names the file, the field and the remedy. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
}

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lowercase hexadecimal digits');
const text = z.string().min(1);
const document = z.strictObject({ name: text, arn: text, version: text, sha256 });
const seconds = z.number().nonnegative();
const checkpoint = z.strictObject({
  consent: z.enum(['required', 'not-required']),
  reminderSeconds: seconds.positive(),
  escalateAfterSeconds: seconds.positive(),
});
const publishedTool = { name: text, version: text, key: text, sha256 };
const memoryTool = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('program'), ...publishedTool }),
  z.strictObject({
    kind: z.literal('kernel-module'),
    ...publishedTool,
    name: z.string().regex(/^[A-Za-z0-9_]+$/, 'must be the name of the kernel module, e.g. lime'),
    kernelRelease: text,
  }),
]);
const policy = z
  .strictObject({
    acquisitionTag: text,
    protectedTag: text,
    minimumSeverity: z.enum(SEVERITIES),
    isolation: z.enum(['before-acquisition', 'after-memory', 'after-all', 'never']),
    checkpoints: z.strictObject({ acquisition: checkpoint, isolation: checkpoint }),
    deadlines: z.strictObject({ snapshot: seconds, copy: seconds, memory: seconds, examination: seconds }),
    retentionDays: z.number().int().min(1).max(36_500),
  })
  .default(DEFAULT_POLICY);

const schema: z.ZodType<ForensicsConfig> = z.strictObject({
  region: z.string().regex(REGION, 'must be an AWS Region code such as us-east-1'),
  forensicsAccountId: z.string().regex(ACCOUNT_ID, 'must be 12 digits (quote it: a leading zero counts)'),
  memberRoles: z.strictObject({ triage: text, acquire: text, contain: text }),
  externalId: text.exactOptional(),
  sharingKeyAlias: z.string().startsWith('alias/'),
  evidenceKeyArn: z.string().startsWith('arn:'),
  buckets: z.strictObject({ staging: text, evidence: text, tools: text }),
  caseTable: text,
  topicArn: z.string().startsWith('arn:'),
  documents: z.strictObject({ acquireMemoryLinux: document, examineMemory: document, examineDisk: document }),
  memoryTools: z.array(memoryTool).min(1, 'name at least one acquisition tool'),
  forensicInstance: z.strictObject({
    imageId: text,
    instanceTypes: z.array(text).min(1),
    subnetId: text,
    securityGroupId: text,
    instanceProfileName: text.exactOptional(),
  }),
  memoryPartSizeBytes: z
    .number()
    .int()
    .min(5 * 1024 ** 2, 'S3 takes parts of 5 MiB and more')
    .default(32 * 1024 ** 2),
  polling: z
    .strictObject({ minimumSeconds: seconds.positive(), maximumSeconds: seconds.positive() })
    .default({ minimumSeconds: 0.5, maximumSeconds: 15 }),
  policy,
});

/**
 * Reads the worker's configuration from the YAML (or JSON) file that FORENSICS_CONFIG names.
 * @throws ConfigurationError
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): ForensicsConfig {
  const file = env.FORENSICS_CONFIG;
  if (!file) {
    throw new ConfigurationError(
      'FORENSICS_CONFIG is not set: name the configuration file (docs/configuration.md describes it)',
    );
  }
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigurationError(`FORENSICS_CONFIG=${file} cannot be read`, { cause: error });
  }
  return parseConfig(content, file);
}

/** @throws ConfigurationError naming each wrong field */
export function parseConfig(content: string, file: string): ForensicsConfig {
  let value: unknown;
  try {
    value = parse(content);
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    throw new ConfigurationError(`${file}: ${error.message}`, { cause: error });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`);
  throw new ConfigurationError(`${file} is not a valid configuration:\n  ${problems.join('\n  ')}`);
}
