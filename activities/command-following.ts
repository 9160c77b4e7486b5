import { setTimeout as delay } from 'node:timers/promises';
import { Context, heartbeat, log, sleep } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import {
  CancelCommandCommand,
  GetCommandInvocationCommand,
  type GetCommandInvocationCommandOutput,
  type SSMClient,
} from '@aws-sdk/client-ssm';
import type { z } from 'zod';
import type { FailureType } from '../workflows/contract/failures';
import { awsStep } from './aws/errors';
import { readFailure, readResult } from './command-output';
import { noteAct } from './custody-acts';
import type { StartedCommand } from './types';

const FIRST_POLL_MS = 500;
const SLOWEST_POLL_MS = 3_000;
/** SSM is eventually consistent: an invocation may be unknown for a moment after SendCommand. */
const UNKNOWN_FOR_MS = 60_000;
/** How long a cancelled command may take to end before we stop watching it. */
const CANCEL_WAIT_MS = 30_000;

export interface CommandToFollow<T> {
  ssm: SSMClient;
  command: StartedCommand;
  /** Shape of the JSON that the document's result line carries. */
  result: z.ZodType<T>;
  /** Called at every look; what it gives becomes the heartbeat's details. */
  progress?: () => Promise<Record<string, unknown>>;
  /** Told with the cancellation, should it come to that: what it leaves behind. */
  ifCancelled?: Record<string, unknown>;
  /** Milliseconds after which it is not followed any more, by our own clock; it then ends as `CommandTimedOut`. */
  patienceMs?: number;
}

/**
 * Follows a command to its end, with a heartbeat at every look, and gives what its result line says. A cancellation of
 * the activity cancels the command and waits, bounded, until it has ended; a worker that shuts down leaves it running.
 *
 * @throws ApplicationFailure (final) `CommandFailed` with the document's own words, `CommandTimedOut`.
 */
export async function followCommand<T>(follow: CommandToFollow<T>): Promise<T> {
  try {
    return outcome(follow, await untilEnded(follow));
  } catch (error) {
    // A shutting-down worker cancels its activities too: there the next attempt follows the same command.
    if (Context.current().cancellationDetails?.cancelRequested === true) {
      await cancelCommand(follow.ssm, follow.command, follow.ifCancelled).catch((problem: unknown) => {
        log.warn('a command could not be cancelled', { commandId: follow.command.commandId, problem: String(problem) });
      });
    }
    throw error;
  }
}

async function untilEnded<T>(follow: CommandToFollow<T>): Promise<GetCommandInvocationCommandOutput> {
  const began = Date.now();
  let pause = FIRST_POLL_MS;
  for (;;) {
    const invocation = await look(follow.ssm, follow.command);
    if (!invocation && Date.now() - began > UNKNOWN_FOR_MS) {
      throw failure('CommandFailed', follow.command, 'SSM does not know it (any more)');
    }
    if (invocation && isEnded(invocation)) return invocation;
    if (follow.patienceMs !== undefined && Date.now() - began > follow.patienceMs) {
      throw failure('CommandTimedOut', follow.command, 'it did not end in time');
    }
    heartbeat({ status: invocation?.Status ?? 'Unknown', ...((await follow.progress?.()) ?? {}) });
    await sleep(pause);
    pause = Math.min(SLOWEST_POLL_MS, pause * 1.25);
  }
}

async function look(ssm: SSMClient, command: StartedCommand): Promise<GetCommandInvocationCommandOutput | undefined> {
  return awsStep(`reading command ${command.commandId} on ${command.instanceId}`, async () => {
    try {
      return await ssm.send(
        new GetCommandInvocationCommand({ CommandId: command.commandId, InstanceId: command.instanceId }),
      );
    } catch (error) {
      if (error instanceof Error && error.name === 'InvocationDoesNotExist') return undefined;
      throw error;
    }
  });
}

const isEnded = (invocation: GetCommandInvocationCommandOutput): boolean =>
  !['Pending', 'InProgress', 'Delayed', 'Cancelling'].includes(invocation.Status ?? 'Pending');

function outcome<T>(follow: CommandToFollow<T>, invocation: GetCommandInvocationCommandOutput): T {
  const { command } = follow;
  const standardOutput = invocation.StandardOutputContent ?? '';
  const words = readFailure(standardOutput, invocation.StandardErrorContent ?? '');
  switch (invocation.Status) {
    case 'Success': {
      const read = readResult(standardOutput, follow.result);
      if ('result' in read) return read.result;
      throw failure('CommandFailed', command, `it ended with success, but ${read.problem}`);
    }
    case 'TimedOut': {
      if (invocation.StatusDetails === 'DeliveryTimedOut') {
        const why = 'the agent did not fetch it in time: check that the instance runs and reaches SSM';
        throw failure('CommandTimedOut', command, why, 'not-delivered');
      }
      const why = `it ran out of time; its last words: ${words.sentence}`;
      throw failure('CommandTimedOut', command, why, words.code);
    }
    case 'Cancelled':
      throw failure('CommandFailed', command, 'it was cancelled');
    default:
      throw failure('CommandFailed', command, words.sentence, words.code ?? invocation.StatusDetails);
  }
}

function failure(type: FailureType, command: StartedCommand, why: string, code?: string): ApplicationFailure {
  const { name, version } = command.document;
  return ApplicationFailure.nonRetryable(
    `document ${name} (version ${version}), command ${command.commandId} on ${command.instanceId}: ${why}`,
    type,
    { commandId: command.commandId, instanceId: command.instanceId, ...(code !== undefined && { code }) },
  );
}

/** The document's own word for what went wrong, of a failure that `followCommand` ended with; `not-delivered` where it never ran. */
export function failureCode(error: unknown): string | undefined {
  if (!(error instanceof ApplicationFailure)) return undefined;
  const [detail] = (error.details ?? []) as [{ code?: string }?];
  return detail?.code;
}

/**
 * Cancels a command and waits until it has ended, at most 30 seconds. Safe for one that has ended or is not known.
 * Uses plain timers: the activity that calls it may itself be cancelled already.
 *
 * @param leaves told in the custody log with the cancellation: what it leaves behind
 * @returns whether the command was seen ended.
 */
export async function cancelCommand(
  ssm: SSMClient,
  command: Pick<StartedCommand, 'commandId' | 'instanceId' | 'document' | 'startedAt'>,
  leaves?: Record<string, unknown>,
): Promise<boolean> {
  const first = await look(ssm, command);
  if (first && isEnded(first)) return true;
  const known = await awsStep(`cancelling command ${command.commandId} on ${command.instanceId}`, async () => {
    try {
      await ssm.send(new CancelCommandCommand({ CommandId: command.commandId, InstanceIds: [command.instanceId] }));
      return true;
    } catch (error) {
      if (error instanceof Error && error.name === 'InvalidCommandId') return false;
      throw error;
    }
  });
  if (known) {
    const { commandId, instanceId } = command;
    noteAct({
      message: `Command ${commandId} on ${instanceId} was cancelled`,
      data: { commandId, instanceId, ...leaves },
    });
  }
  const until = Date.now() + CANCEL_WAIT_MS;
  while (known && Date.now() < until) {
    const invocation = await look(ssm, command);
    if (invocation && isEnded(invocation)) return true;
    heartbeat({ status: invocation?.Status ?? 'Unknown' });
    await delay(FIRST_POLL_MS);
  }
  return !known;
}
