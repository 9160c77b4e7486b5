import type { RecordedCall } from '../lab/aws/emulator-client';

/** Whose call it is: the worker's own, or one that a document makes on an instance with a pre-signed URL. */
export type CallMaker = 'worker' | 'documents';

export interface CountedCalls {
  maker: CallMaker;
  service: string;
  action: string;
  calls: number;
  /** Of these, answered with an error. */
  failed: number;
}

/** As the worker names itself (activities/aws/clients.ts), and as curl does. Others are the bench and the lab. */
const WORKER = 'ec2-forensics/';
const DOCUMENTS = /^curl\//;

/**
 * Errors with which moto answers Run Command's operations: the lab's SSM server lets moto see (and write down) each
 * call and then answers itself, so that they never reach the caller.
 */
const NOT_THE_ANSWER = new Set(['InvalidCommandId', 'InvocationDoesNotExist', 'UnknownOperationException']);

export function makerOf({ userAgent }: Pick<RecordedCall, 'userAgent'>): CallMaker | undefined {
  if (userAgent.includes(WORKER)) return 'worker';
  return DOCUMENTS.test(userAgent) ? 'documents' : undefined;
}

/** The case's calls by who made them, service and API, in that order. */
export function countCalls(calls: readonly RecordedCall[]): CountedCalls[] {
  const counted = new Map<string, CountedCalls>();
  for (const call of calls) {
    const maker = makerOf(call);
    if (!maker) continue;
    const { service, action } = call;
    const key = keyOf({ maker, service, action });
    const entry = counted.get(key) ?? { maker, service, action, calls: 0, failed: 0 };
    entry.calls += 1;
    if (call.error !== null && !(service === 'ssm' && NOT_THE_ANSWER.has(call.error))) entry.failed += 1;
    counted.set(key, entry);
  }
  return [...counted.values()].sort((a, b) => keyOf(a).localeCompare(keyOf(b)));
}

export const keyOf = ({ maker, service, action }: Pick<CountedCalls, 'maker' | 'service' | 'action'>): string =>
  `${maker === 'worker' ? 0 : 1} ${service} ${action}`;
