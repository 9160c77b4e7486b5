import { type DocumentContent, type DocumentStep, substitute, withDefaults } from '../ssm/documents';
import type { DocumentStatus, StepResult } from '../ssm/messages';
import { runStep, type StepContext, stepResult } from './steps';

/** Exit codes by which a script ends its document (Systems Manager user guide, exit codes in commands). */
const EXIT_SUCCESS = 168;
const EXIT_FAILURE = 169;
const REST_SKIPPED = 'Further document steps will be skipped.';

/** A parameter value that the document does not allow: the whole command fails before any step. */
export class RefusedParameter extends Error {}

/**
 * Runs the steps of a document one after another, with amazon-ssm-agent's rules for conditions, exits, cancellation
 * and the final step.
 * @param report called after each step.
 * @returns the status of the document.
 * @throws RefusedParameter
 */
export async function runDocument(
  content: DocumentContent,
  given: Record<string, unknown>,
  context: StepContext,
  report: (stepName: string, result: StepResult) => void,
): Promise<DocumentStatus> {
  const parameters = allowedParameters(content, given);
  const results: StepResult[] = [];
  let left = false;
  for (const [position, step] of content.mainSteps.entries()) {
    const inputs = substitute(step.inputs ?? {}, parameters) as Record<string, unknown>;
    const isLast = position === content.mainSteps.length - 1;
    // Only the last step can be the final one, which runs in any case; the mark is ignored elsewhere.
    const isFinal = isLast && String(inputs.finallyStep) === 'true';
    const result = await resultOf(step, inputs, parameters, context, left && !isFinal, isFinal);
    if (leavesDocument(result, inputs)) left = true;
    results.push(result);
    report(step.name, result);
  }
  return documentStatus(results);
}

async function resultOf(
  step: DocumentStep,
  inputs: Record<string, unknown>,
  parameters: Record<string, unknown>,
  context: StepContext,
  skipped: boolean,
  isFinal: boolean,
): Promise<StepResult> {
  if (context.stop.aborted && !isFinal) return stepResult(step.action, { status: 'Cancelled', code: 1 });
  if (skipped) {
    const output = `Plugin with name ${step.action} and id ${step.name} skipped due to prior step with an exit condition`;
    return stepResult(step.action, { status: 'Skipped', output });
  }
  const unmet = unmetPrecondition(step, parameters);
  if (unmet !== undefined) return stepResult(step.action, { status: 'Skipped', output: unmet });
  // The final step cleans up, so a cancellation that came before it does not end it.
  const stop = isFinal && context.stop.aborted ? new AbortController().signal : context.stop;
  return await runStep(step, inputs, { ...context, stop });
}

/** Whether the rest of the document is skipped after this step; writes the agent's remark into the result. */
function leavesDocument(result: StepResult, inputs: Record<string, unknown>): boolean {
  if (result.status === 'Failed' && result.code === EXIT_SUCCESS) {
    result.status = 'Success';
    result.standardError = result.standardError.replace(/failed to run commands: exit status 168$/, '');
    result.output = result.standardOutput;
    result.standardOutput += `\nStep exited with code 168. Therefore, marking step as succeeded. ${REST_SKIPPED}`;
    return true;
  }
  if (result.status === 'Failed' && result.code === EXIT_FAILURE) {
    remark(result, `\nStep exited with code 169. Therefore, marking step as Failed. ${REST_SKIPPED}`);
    return true;
  }
  if (result.status === 'Failed' && (inputs.onFailure === 'exit' || inputs.onFailure === 'successAndExit')) {
    if (inputs.onFailure === 'successAndExit') {
      result.status = 'Success';
      result.code = EXIT_SUCCESS;
    }
    remark(result, `\nStep was found to have onFailure property. ${REST_SKIPPED}`);
    return true;
  }
  return result.status === 'Success' && inputs.onSuccess === 'exit';
}

function remark(result: StepResult, text: string): void {
  result.standardOutput += text;
  result.standardError += text;
}

function documentStatus(results: StepResult[]): DocumentStatus {
  for (const status of ['Cancelled', 'TimedOut', 'Failed'] as const) {
    if (results.some((result) => result.status === status)) return status;
  }
  return 'Success';
}

/** The agent checks allowedPattern too: a document may reach it by another way than SendCommand. */
function allowedParameters(content: DocumentContent, given: Record<string, unknown>): Record<string, unknown> {
  for (const [name, { allowedPattern }] of Object.entries(content.parameters ?? {})) {
    const value = given[name];
    if (allowedPattern === undefined || value === undefined) continue;
    const texts = Array.isArray(value)
      ? value.map(String)
      : [typeof value === 'string' ? value : JSON.stringify(value)];
    for (const text of texts) {
      if (new RegExp(allowedPattern).test(text)) continue;
      throw new RefusedParameter(
        "all errors during param validation errors: error thrown in 'AllowedRegexParamValidator' while validating " +
          `parameter /${name}/: parameter value /${text}/ does not match the allowed pattern /${allowedPattern}/`,
      );
    }
  }
  return withDefaults(content, given);
}

/** @returns why the step is skipped, or undefined if it runs. */
function unmetPrecondition(step: DocumentStep, parameters: Record<string, unknown>): string | undefined {
  const operands = step.precondition?.StringEquals;
  if (operands === undefined) return undefined;
  const [left, right] = operands
    .map((operand) => substitute(operand, parameters))
    .map((operand) => (operand === 'platformType' ? 'Linux' : operand));
  if (left === right) return undefined;
  const condition = `"StringEquals": [${operands.join(', ')}]`;
  return `Step execution skipped due to unsatisfied preconditions: '${condition}'. Step name: ${step.name}`;
}
