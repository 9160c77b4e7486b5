import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type PolicyReading, policyIn, policyOfConfiguration } from '../../domain/schemas/policy-source';
import { YamlSource } from '../../domain/schemas/yaml-source';
import { UsageError } from './output';

/**
 * Reads a policy as a worker would: from a policy file, or from a worker's configuration and whatever file that names.
 * @param file without it, the configuration that FORENSICS_CONFIG names
 * @throws UsageError when there is no such file
 */
export function openPolicy(file: string | undefined): PolicyReading & { file: string } {
  const named = file ?? process.env.FORENSICS_CONFIG;
  if (!named) throw new UsageError('name a policy file, or a worker’s configuration by FORENSICS_CONFIG');
  const source = opened(named);
  if (typeof source === 'string') throw new UsageError(source);
  const reading = isConfiguration(source.value)
    ? policyOfConfiguration(source, (policyFile) => opened(path.resolve(path.dirname(named), policyFile)))
    : policyIn(source);
  return { ...reading, file: named };
}

function opened(file: string): YamlSource | string {
  try {
    return new YamlSource(readFileSync(file, 'utf8'), file);
  } catch (error) {
    return `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

const isConfiguration = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  ['policy', 'policyFile', 'forensicsAccountId'].some((field) => Object.hasOwn(value, field));
