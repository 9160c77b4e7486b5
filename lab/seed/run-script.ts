import { setTimeout as sleep } from 'node:timers/promises';
import { GetCommandInvocationCommand, InvocationDoesNotExist, SendCommandCommand } from '@aws-sdk/client-ssm';
import type { AccountClients } from './account-clients';

export interface ScriptResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

const ENDED = new Set(['Success', 'Failed', 'TimedOut', 'Cancelled']);

/**
 * Runs a shell script on an instance as its administrator would: Run Command with AWS-RunShellScript.
 * @throws Error when it did not end, or was not delivered, within the seconds given
 */
export async function runScript(
  account: AccountClients,
  instanceId: string,
  script: string,
  seconds = 120,
): Promise<ScriptResult> {
  const sent = await account.ssm.send(
    new SendCommandCommand({
      DocumentName: 'AWS-RunShellScript',
      InstanceIds: [instanceId],
      TimeoutSeconds: Math.max(30, seconds),
      Parameters: { commands: [script], executionTimeout: [String(seconds)] },
    }),
  );
  const CommandId = sent.Command?.CommandId ?? '';
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const seen = await account.ssm
      .send(new GetCommandInvocationCommand({ CommandId, InstanceId: instanceId }))
      .catch((error: unknown) => {
        // Right after SendCommand the invocation may not be listed yet.
        if (error instanceof InvocationDoesNotExist) return undefined;
        throw error;
      });
    if (seen && ENDED.has(seen.Status ?? '')) {
      const { ResponseCode = -1, StandardOutputContent = '', StandardErrorContent = '' } = seen;
      return { exitCode: ResponseCode, stdout: StandardOutputContent, stderr: StandardErrorContent };
    }
    if (Date.now() > deadline)
      throw new Error(`a script on ${instanceId} was ${seen?.StatusDetails ?? 'not listed'} after ${seconds} s`);
    await sleep(200);
  }
}
