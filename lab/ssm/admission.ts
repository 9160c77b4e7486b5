import { AwsError } from './aws-error';
import type { EmulatorLink, RawAnswer } from './emulator-link';
import { isJsonObject, type JsonObject, type RawRequest } from './request';

export interface Admission {
  /** The emulator's answer, if it has one to the operation. */
  content: JsonObject | undefined;
  /** The operation is to be carried out, and its answer lost: this error goes to the caller in its place. */
  lostAnswer: AwsError | undefined;
  /** The answer is to be held (overlay/held_calls.py): what to ask the emulator with once the call is carried out. */
  heldAnswer?: string;
}

/**
 * Lets the emulator see a call that this server answers itself: it checks the signature and the IAM policies, writes
 * the call into its journal and injects faults. What it answers about the command itself does not count, since the
 * emulator runs nothing.
 * @throws AwsError with the emulator's own code and status when it refuses.
 */
export async function admit(emulator: EmulatorLink, operation: string, request: RawRequest): Promise<Admission> {
  // Only SendCommand needs to know whether a fault struck before or after it: a second try must find the first command.
  const faultsBefore = operation === 'SendCommand' ? await emulator.faults() : [];
  const answer = await emulator.forward(request);
  const content = jsonOf(answer);
  const held = answer.headers['x-lab-held'];
  const heldAnswer = typeof held === 'string' && { heldAnswer: held };
  if (answer.status === 200) return { content, lostAnswer: undefined, ...heldAnswer };
  const code = errorCode(answer, content);
  const message = [content?.message, content?.Message].find((text) => typeof text === 'string') ?? '';
  if (isNoVerdict(operation, code, message)) return { content: undefined, lostAnswer: undefined, ...heldAnswer };
  const refusal = new AwsError(code, message, answer.status);
  if (faultsBefore.length > 0 && struckAfterwards(faultsBefore, await emulator.faults(), code)) {
    return { content: undefined, lostAnswer: refusal };
  }
  throw refusal;
}

/** Whether a fault that lets the call be carried out (`when: "after"`) has counted down in between. */
function struckAfterwards(before: JsonObject[], after: JsonObject[], code: string): boolean {
  return before.some(
    (fault, position) =>
      fault.when === 'after' && fault.code === code && Number(after[position]?.times) < Number(fault.times),
  );
}

/**
 * Answers that say nothing about the caller: moto has no such operation, does not know a command whose answer was lost,
 * or does not know the document's own step names (it takes every step for aws:runShellScript). moto's texts tell them
 * from injected faults of the same code.
 */
function isNoVerdict(operation: string, code: string, message: string): boolean {
  if (code === 'UnknownOperationException') return true;
  if (code === 'InvalidCommandId' && message === 'Invalid command id.') return true;
  return (
    operation === 'GetCommandInvocation' &&
    code === 'InvocationDoesNotExist' &&
    message.startsWith('An error occurred (InvocationDoesNotExist)')
  );
}

function errorCode(answer: RawAnswer, content: JsonObject | undefined): string {
  const type = content?.__type ?? answer.headers['x-amzn-errortype'];
  return typeof type === 'string' ? type.replace(/^.*#/, '').replace(/:.*$/, '') : 'InternalServerError';
}

function jsonOf(answer: RawAnswer): JsonObject | undefined {
  try {
    const content: unknown = JSON.parse(answer.body.toString());
    return isJsonObject(content) ? content : undefined;
  } catch {
    return undefined; // an HTML page: the emulator itself failed
  }
}
