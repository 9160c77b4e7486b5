/** The part of an SSM Command document (schemaVersion 2.2) that Run Command and the agent act on. */
export interface DocumentContent {
  schemaVersion: string;
  description?: string;
  parameters?: Record<string, DocumentParameter>;
  mainSteps: DocumentStep[];
}

export interface DocumentParameter {
  type: 'String' | 'StringList' | 'Boolean' | 'Integer' | 'MapList' | 'StringMap';
  default?: unknown;
  allowedPattern?: string;
  allowedValues?: unknown[];
  minChars?: number;
  maxChars?: number;
  minItems?: number;
  maxItems?: number;
}

export interface DocumentStep {
  action: string;
  name: string;
  inputs?: Record<string, unknown>;
  precondition?: { StringEquals?: string[] };
}

/** Platform types by the action of a step (User Guide, "Command document plugin reference"); other actions run anywhere. */
const PLATFORMS_OF_ACTION: Record<string, readonly string[]> = {
  'aws:runShellScript': ['Linux', 'MacOS'],
  'aws:applications': ['Windows'],
  'aws:cloudWatch': ['Windows'],
  'aws:psModule': ['Windows'],
};
const PLATFORMS: readonly string[] = ['Windows', 'Linux', 'MacOS'];

/** PlatformType of the nodes that at least one step of the document can run on. */
export function supportedPlatforms(content: DocumentContent): ReadonlySet<string> {
  return new Set(content.mainSteps.flatMap((step) => PLATFORMS_OF_ACTION[step.action] ?? PLATFORMS));
}

/**
 * `{{ name }}` → value, in any depth. A value that is the whole string keeps its type; inside a longer string a list
 * becomes JSON; an undeclared name stays as it is. As amazon-ssm-agent 3.3 does (recorded answers: params,
 * commandsWhole, undeclared).
 */
export function substitute(value: unknown, parameters: Record<string, unknown>): unknown {
  if (Array.isArray(value)) return value.map((item) => substitute(item, parameters));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, substitute(item, parameters)]));
  }
  if (typeof value !== 'string') return value;
  const whole = /^\{\{\s*(\w+)\s*\}\}$/.exec(value)?.[1];
  if (whole !== undefined && Object.hasOwn(parameters, whole)) return parameters[whole];
  return value.replace(/\{\{\s*(\w+)\s*\}\}/g, (reference, name: string) => {
    if (!Object.hasOwn(parameters, name)) return reference;
    const replacement = parameters[name];
    return typeof replacement === 'string' ? replacement : JSON.stringify(replacement);
  });
}

/** The declared parameters with their values: what was given, else the document's default. */
export function withDefaults(content: DocumentContent, given: Record<string, unknown>): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, declaration] of Object.entries(content.parameters ?? {})) {
    const value = given[name] ?? declaration.default;
    if (value !== undefined) values[name] = value;
  }
  return values;
}

const DEFAULT_STEP_SECONDS = 3600;
const LONGEST_STEP_SECONDS = 172_800;
/** amazon-ssm-agent 3.3 ignores shorter time-outs: "2" ran for 30 s to Success (recorded answer timeout2IsIgnored). */
const SHORTEST_STEP_SECONDS = 5;

/** How long a step may run, in seconds, from its (substituted) `timeoutSeconds`. */
export function stepTimeoutSeconds(timeoutSeconds: unknown): number {
  const asked = Number(timeoutSeconds ?? DEFAULT_STEP_SECONDS);
  return asked >= SHORTEST_STEP_SECONDS && asked <= LONGEST_STEP_SECONDS ? asked : DEFAULT_STEP_SECONDS;
}

/** How long the whole document may run, in seconds: its steps run one after another. */
export function executionTimeoutSeconds(content: DocumentContent, given: Record<string, unknown>): number {
  const values = withDefaults(content, given);
  return content.mainSteps.reduce(
    (total, step) => total + stepTimeoutSeconds(substitute(step.inputs?.timeoutSeconds, values)),
    0,
  );
}
