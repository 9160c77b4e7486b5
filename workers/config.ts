import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import type { ForensicsConfig } from '../activities/config';
import { CANARY_FORMS } from '../activities/isolation-probe';
import { policyOfConfiguration } from '../domain/schemas/policy-source';
import { type FileProblem, problemText, YamlSource } from '../domain/schemas/yaml-source';
import { ACCOUNT_ID, REGION } from '../domain/target';

/** The configuration file is missing or wrong; the message names the file, the field and the remedy. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
}

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lowercase hexadecimal digits');
const text = z.string().min(1);
const document = z.strictObject({ name: text, arn: text, version: text, sha256 });
const seconds = z.number().nonnegative();
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
/** What the document takes; a comma would let one entry stand for two. */
const canary = (kind: keyof typeof CANARY_FORMS, form: string) =>
  z.array(z.string().max(255).regex(CANARY_FORMS[kind], `must be ${form}`)).max(8, 'at most 8 canaries of a kind');
/** The policy has a schema of its own, and may have a file of its own. */
type WrittenConfig = Omit<ForensicsConfig, 'policy'> & { policy?: unknown; policyFile?: string };

const schema: z.ZodType<WrittenConfig> = z.strictObject({
  region: z.string().regex(REGION, 'must be an AWS Region code such as us-east-1'),
  forensicsAccountId: z.string().regex(ACCOUNT_ID, 'must be 12 digits (quote it: a leading zero counts)'),
  memberRoles: z.strictObject({ triage: text, acquire: text, contain: text }),
  externalId: text.exactOptional(),
  sharingKeyAlias: z.string().startsWith('alias/'),
  evidenceKeyArn: z.string().startsWith('arn:'),
  sealingKeyArn: z.string().startsWith('arn:'),
  verifier: z.strictObject({ key: text, sha256 }),
  buckets: z.strictObject({ staging: text, evidence: text, tools: text }),
  purgeRole: text.exactOptional(),
  caseTable: text,
  topicArn: z.string().startsWith('arn:'),
  documents: z.strictObject({
    acquireMemoryLinux: document,
    examineMemory: document,
    examineDisk: document,
    probeIsolation: document,
  }),
  isolationProbe: z
    .strictObject({
      canaries: z.strictObject({
        tcp: canary('tcp', 'ADDRESS:PORT or [ADDRESS]:PORT, no name'),
        dns: canary('dns', 'a name such as canary.example.com'),
        icmp: canary('icmp', 'an IPv4 or IPv6 address'),
      }),
    })
    .exactOptional(),
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
  snapshotLock: z
    .strictObject({
      mode: z.enum(['governance', 'compliance']),
      coolOffHours: z.number().int().min(1).max(72).exactOptional(),
    })
    .exactOptional(),
  objectLockMode: z.enum(['governance', 'compliance']).exactOptional(),
  polling: z
    .strictObject({ minimumSeconds: seconds.positive(), maximumSeconds: seconds.positive() })
    .default({ minimumSeconds: 0.5, maximumSeconds: 15 }),
  policy: z.unknown().exactOptional(),
  policyFile: text.exactOptional(),
});

/**
 * Reads the worker's configuration from the YAML (or JSON) file that FORENSICS_CONFIG names, and the policy that it names.
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

/**
 * @param file where the content comes from; `policyFile` is looked for from its folder
 * @throws ConfigurationError naming line and column of each wrong field
 */
export function parseConfig(content: string, file: string): ForensicsConfig {
  const source = new YamlSource(content, file);
  const parsed = source.parsedBy(schema);
  const reading = policyOfConfiguration(source, (policyFile) =>
    policySource(path.resolve(path.dirname(file), policyFile)),
  );
  const problems = [...('problems' in parsed ? parsed.problems : []), ...reading.problems];
  if ('problems' in parsed || !reading.policy) throw new ConfigurationError(problemsText(file, problems));
  const { policy: _inline, policyFile: _file, ...config } = parsed.data;
  return { ...config, policy: reading.policy };
}

function policySource(file: string): YamlSource | string {
  try {
    return new YamlSource(readFileSync(file, 'utf8'), file);
  } catch (error) {
    return `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

const problemsText = (file: string, problems: FileProblem[]): string =>
  `${file} is not a valid configuration:\n  ${[...new Set(problems.map(problemText))].join('\n  ')}`;
