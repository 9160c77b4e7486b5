/** Source: AWS Systems Manager User Guide, "Schema version 2.2" and "Data elements and parameters". */
interface CommandDocument {
  schemaVersion: '2.2';
  description: string;
  parameters: Record<string, { type: string; description: string; allowedPattern: string; default?: string }>;
  mainSteps: ShellStep[];
}

interface ShellStep {
  action: 'aws:runShellScript';
  name: string;
  precondition: { StringEquals: [string, string] };
  onFailure: 'exit';
  inputs: { timeoutSeconds: string; runCommand: string[] };
}

/** Documents are limited to 64 KB (AWS General Reference, "Systems Manager quotas"). */
const LARGEST_DOCUMENT = 65_536;
const PLACEHOLDER = /\{\{\s*([^}\s]+)\s*\}\}/g;
const PARAMETER_LINE = /^[A-Z][A-Z0-9_]*='\{\{ [A-Za-z]+ \}\}'$/;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function parameterFaults(parameters: Record<string, unknown>): string[] {
  return Object.entries(parameters).flatMap(([name, parameter]) => {
    const faults: string[] = [];
    if (!/^[A-Za-z][A-Za-z0-9]*$/.test(name)) faults.push(`parameter name ${name} is not letters and digits`);
    if (!isRecord(parameter)) return [...faults, `parameter ${name} is no mapping`];
    if (parameter.type !== 'String') faults.push(`parameter ${name} is not a String`);
    if (!isText(parameter.description)) faults.push(`parameter ${name} has no description`);
    if (!isText(parameter.allowedPattern)) return [...faults, `parameter ${name} has no allowedPattern`];
    const pattern = new RegExp(parameter.allowedPattern);
    if (!/^\^.*\$$/.test(parameter.allowedPattern)) faults.push(`allowedPattern of ${name} is not anchored`);
    for (const hostile of ["'", '`', '"', '\\', '\n', '{{', ' ']) {
      if (['', 'a', 'a,b', 'https://a/'].some((start) => pattern.test(`${start}${hostile}`)))
        faults.push(`allowedPattern of ${name} lets ${JSON.stringify(hostile)} through`);
    }
    if (parameter.default !== undefined && (!isText(parameter.default) || !pattern.test(parameter.default)))
      faults.push(`the default of ${name} does not match its allowedPattern`);
    return faults;
  });
}

function stepFaults(step: unknown): string[] {
  if (!isRecord(step)) return ['a step is no mapping'];
  const faults: string[] = [];
  const label = `step ${String(step.name)}`;
  if (step.action !== 'aws:runShellScript') faults.push(`${label} is not aws:runShellScript`);
  if (!isText(step.name) || !/^[A-Za-z0-9_]{3,50}$/.test(step.name)) faults.push(`${label} has no usable name`);
  if (JSON.stringify(step.precondition) !== '{"StringEquals":["platformType","Linux"]}')
    faults.push(`${label} has no precondition platformType Linux`);
  // Without it the agent goes on with the next step.
  if (step.onFailure !== 'exit') faults.push(`${label} has no onFailure: exit`);
  const { inputs } = step;
  if (!isRecord(inputs) || !isText(inputs.timeoutSeconds)) return [...faults, `${label} has no timeoutSeconds`];
  const script = inputs.runCommand;
  if (!Array.isArray(script) || !script.every((line): line is string => typeof line === 'string'))
    return [...faults, `${label} has no runCommand of lines`];
  // Without it the agent runs the script with sh.
  if (script[0] !== '#!/bin/bash') faults.push(`${label} does not begin with #!/bin/bash`);
  return faults;
}

function placeholderFaults(steps: ShellStep[], parameters: string[]): string[] {
  const faults: string[] = [];
  const used = new Set<string>();
  for (const { name, inputs } of steps) {
    for (const line of [inputs.timeoutSeconds, ...inputs.runCommand]) {
      for (const [, parameter = ''] of line.matchAll(PLACEHOLDER)) {
        used.add(parameter);
        if (!parameters.includes(parameter)) faults.push(`step ${name} uses ${parameter}, which is no parameter`);
        if (line !== inputs.timeoutSeconds && !PARAMETER_LINE.test(line))
          faults.push(`step ${name} uses ${parameter} other than as NAME='{{ ${parameter} }}'`);
      }
    }
  }
  return [...faults, ...parameters.filter((name) => !used.has(name)).map((name) => `parameter ${name} is not used`)];
}

/**
 * Checks a document and gives it back with its scripts resolved by `resolve`. Throws an `Error` naming `file` and every
 * fault. A parameter may appear only as `NAME='{{ Parameter }}'`, and only values that cannot leave those quotes pass.
 */
export function checkDocument(
  file: string,
  source: unknown,
  resolve: (lines: string[]) => string[],
): Readonly<CommandDocument> {
  const refuse = (faults: string[]): never => {
    throw new Error(`SSM document ${file} is not usable: ${faults.join('; ')}`);
  };
  if (!isRecord(source)) return refuse(['it is no mapping']);
  const { parameters, mainSteps } = source;
  if (!isRecord(parameters) || !Array.isArray(mainSteps) || mainSteps.length === 0)
    return refuse(['it has no parameters or no mainSteps']);
  const faults = [
    ...(source.schemaVersion === '2.2' ? [] : ['schemaVersion is not 2.2']),
    ...(isText(source.description) ? [] : ['it has no description']),
    ...parameterFaults(parameters),
    ...mainSteps.flatMap(stepFaults),
  ];
  if (faults.length > 0) return refuse(faults);

  const checked = source as unknown as CommandDocument;
  const steps = checked.mainSteps.map((step) => ({
    ...step,
    inputs: { ...step.inputs, runCommand: resolve(step.inputs.runCommand) },
  }));
  const document = { ...checked, mainSteps: steps };
  const placeholders = placeholderFaults(steps, Object.keys(parameters));
  const size = Buffer.byteLength(JSON.stringify(document, null, 1));
  if (size > LARGEST_DOCUMENT) placeholders.push(`it has ${size} bytes, more than ${LARGEST_DOCUMENT}`);
  if (placeholders.length > 0) return refuse(placeholders);
  return document;
}
