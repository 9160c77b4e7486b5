import { writeFile } from 'node:fs/promises';
import { type DocumentStep, stepTimeoutSeconds } from '../ssm/documents';
import type { StepResult } from '../ssm/messages';
import { isJsonObject } from '../ssm/request';
import { type Executor, KILLED_EXIT_CODE } from './executor';
import type { StepOutput } from './step-output';

/** What a step needs to know about the command that it is part of. */
export interface StepContext {
  executor: Executor;
  commandId: string;
  environment: Record<string, string>;
  stop: AbortSignal;
  /** Present when the command has an output bucket. */
  output?: {
    open(stepName: string): Promise<StepOutput>;
    /** @returns where the output lies, or undefined if it could not be stored. */
    store(
      action: string,
      stepName: string,
      output: StepOutput,
    ): Promise<{ bucket: string; keyPrefix: string } | undefined>;
  };
}

/** A script that asks for a reboot of the instance (amazon-ssm-agent, exit code 194). */
const REBOOT_EXIT_CODE = 194;
const ERROR_HEADING = '\n----------ERROR-------\n';

export function stepResult(action: string, members: Partial<StepResult>): StepResult {
  const now = new Date().toISOString();
  return {
    status: 'Success',
    code: 0,
    name: action,
    output: '',
    startDateTime: now,
    endDateTime: now,
    outputS3BucketName: '',
    outputS3KeyPrefix: '',
    stepName: '',
    standardOutput: '',
    standardError: '',
    ...members,
  };
}

/**
 * Runs one step whose inputs have their parameters filled in. The texts are those of amazon-ssm-agent 3.3, as recorded.
 */
export async function runStep(
  step: DocumentStep,
  inputs: Record<string, unknown>,
  context: StepContext,
): Promise<StepResult> {
  switch (step.action) {
    case 'aws:runShellScript':
      return await runShellScript(step, inputs, context);
    case 'aws:runPowerShellScript':
      return failed(step.action, 'failed to run commands: fork/exec /usr/bin/pwsh: no such file or directory');
    case 'aws:downloadContent':
      return await downloadContent(inputs);
    default: {
      const output =
        `Plugin with name ${step.action} is not supported by this version of ssm agent, ` +
        `please update to latest version. Step name: ${step.name}`;
      return stepResult(step.action, { status: 'Failed', code: 1, output });
    }
  }
}

async function runShellScript(
  step: DocumentStep,
  inputs: Record<string, unknown>,
  context: StepContext,
): Promise<StepResult> {
  const lines: unknown[] = Array.isArray(inputs.runCommand) ? inputs.runCommand : [inputs.runCommand ?? ''];
  if (lines.some((line) => Array.isArray(line))) {
    // A `{{ StringList }}` as one element of runCommand: the real agent fails to read it, and says so in Go's words.
    const shown = lines.map((line) => (Array.isArray(line) ? `[${line.join(' ')}]` : String(line))).join(' ');
    return failed(
      step.action,
      `Invalid format in plugin properties map[runCommand:[${shown}]];\n` +
        'error json: cannot unmarshal array into Go struct field RunScriptPluginInput.RunCommand of type string',
    );
  }
  const startDateTime = new Date().toISOString();
  const workingDirectory = textOf(inputs.workingDirectory);
  const output = await context.output?.open(step.name);
  const ran = await context.executor.run({
    script: `${lines.map(String).join('\n')}\n`,
    ...(workingDirectory === '' ? {} : { workingDirectory }),
    environment: context.environment,
    timeoutSeconds: stepTimeoutSeconds(inputs.timeoutSeconds),
    stop: context.stop,
    ...(output !== undefined && { onOutput: (stream, chunk) => output.write(stream, chunk) }),
    name: `${context.commandId}/${step.name}`,
  });
  const stored = output && (await context.output?.store(step.action, step.name, output));
  const result = stepResult(step.action, {
    startDateTime,
    standardOutput: ran.stdout,
    standardError: ran.stderr,
    outputS3BucketName: stored?.bucket ?? '',
    outputS3KeyPrefix: stored?.keyPrefix ?? '',
  });
  if (ran.ended !== 'exit') {
    result.status = ran.ended === 'timeout' ? 'TimedOut' : 'Cancelled';
    result.code = KILLED_EXIT_CODE;
  } else if (ran.exitCode === REBOOT_EXIT_CODE) {
    result.status = 'SuccessAndReboot';
    result.code = REBOOT_EXIT_CODE;
  } else if (ran.exitCode !== 0) {
    result.status = 'Failed';
    result.code = ran.exitCode;
    result.standardError = `${ran.stderr}failed to run commands: exit status ${ran.exitCode}`;
  }
  result.output =
    result.standardOutput + (result.standardError === '' ? '' : `${ERROR_HEADING}${result.standardError}`);
  return result;
}

/** aws:downloadContent from HTTP; the real agent's other sources (S3, GitHub, Git, SSMDocument) are refused. */
async function downloadContent(inputs: Record<string, unknown>): Promise<StepResult> {
  const action = 'aws:downloadContent';
  if (inputs.sourceType !== 'HTTP') {
    return failed(action, `The lab's agent downloads from HTTP only, not from ${textOf(inputs.sourceType)}`);
  }
  let source: unknown;
  try {
    source = JSON.parse(textOf(inputs.sourceInfo) || '{}');
  } catch {
    return failed(action, 'sourceInfo is not JSON');
  }
  const url = isJsonObject(source) ? textOf(source.url) : '';
  if (!URL.canParse(url)) return failed(action, 'sourceInfo has no url');
  if (new URL(url).protocol === 'http:' && !(isJsonObject(source) && source.allowInsecureDownload === true)) {
    return failed(
      action,
      'Non secure URL provided and insecure download is not allowed. Provide a secure URL or set ' +
        "'allowInsecureDownload' to true to perform the download operation",
    );
  }
  const destination = textOf(inputs.destinationPath);
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(60_000) });
    if (!response.ok) return failed(action, `failed to download ${url}: status ${response.status}`);
    await writeFile(destination, Buffer.from(await response.arrayBuffer()), { mode: 0o700 });
  } catch (error) {
    return failed(action, `failed to download ${url}: ${String(error)}`);
  }
  const message = `Content downloaded to ${destination}`;
  return stepResult(action, { standardOutput: message, output: message });
}

function failed(action: string, standardError: string): StepResult {
  return stepResult(action, { status: 'Failed', code: 1, standardError, output: `${ERROR_HEADING}${standardError}` });
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
