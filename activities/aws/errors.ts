import { setMaxListeners } from 'node:events';
import { asyncLocalStorage, type Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { FailureType } from '../../workflows/contract/failures';
import { RETRYABLE_FAILURES } from '../../workflows/contract/failures';

/** What the SDK's errors have in common; every field may be missing (a network error has neither fault nor metadata). */
interface AwsError {
  name: string;
  message: string;
  code?: string;
  $metadata?: { httpStatusCode?: number; requestId?: string; attempts?: number };
  $retryable?: { throttling?: boolean };
}

interface Rule {
  type: FailureType;
  codes: RegExp;
  advice: string;
  /** Seconds until the next try; without it Temporal's own back-off counts. */
  retryAfterSeconds?: number;
}

/** The first rule whose pattern matches the error's code decides. Source: EC2 API reference, "Error codes". */
const RULES: Rule[] = [
  {
    // Quotas that free themselves as running jobs end: 20 copies at once per destination Region, 100 pending snapshots.
    type: 'Throttled',
    codes:
      /^(ResourceLimitExceeded|(Pending|Concurrent)Snapshot\w*LimitExceeded|SnapshotLimitExceeded|LimitExceeded\w*)$/,
    advice: 'A quota of the account is used up for now; it is tried again every minute.',
    retryAfterSeconds: 60,
  },
  {
    type: 'Throttled',
    codes:
      /Throttl|RequestLimitExceeded|TooManyRequests|SlowDown|ThroughputExceeded|RateExceeded|PriorRequestNotComplete/,
    advice: 'AWS asks to slow down; it is tried again on its own.',
  },
  {
    type: 'InstanceNotFound',
    codes: /^InvalidInstanceID\.NotFound$/,
    advice: 'The instance is gone or was never in this account and Region: check account, Region and instance id.',
  },
  {
    type: 'AgentUnavailable',
    codes: /^InvalidInstanceId$/,
    advice: 'Systems Manager cannot command the instance: check that its agent runs and that it can reach the service.',
  },
  {
    // Credentials that ran out are renewed by the next try.
    type: 'Unavailable',
    codes: /^(ExpiredToken\w*|RequestExpired|CredentialsProviderError|TokenRefreshRequired)$/,
    advice: 'Credentials are fetched anew and it is tried again; if it goes on, check the worker’s own credentials.',
  },
  {
    type: 'AccessDenied',
    codes:
      /AccessDenied|UnauthorizedOperation|AuthFailure|NotAuthorized|OptInRequired|InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch|AuthorizationError/,
    advice: 'Check the role’s policy, the key’s policy and the service control policies, then run the step again.',
  },
  {
    type: 'Unavailable',
    codes:
      /\.InUse$|InUseException$|^IncorrectState|IncorrectInstanceState|DependencyViolation|TransactionConflict|TransactionInProgress|ResourceInUse|ConcurrentModification/,
    advice: 'The resource is in a passing state; it is tried again on its own.',
  },
  {
    type: 'Unavailable',
    codes: /^(connection failed|TimeoutError|NetworkingError)$/,
    advice: 'The service could not be reached; it is tried again on its own.',
  },
];

/** Codes of failed connections. The SDK wraps errors that it does not know, and then only the message has the code. */
const NETWORK =
  /\b(ECONNREFUSED|ECONNRESET|ECONNABORTED|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|socket hang up)\b/;

/** A try that is worth it: what only AWS's load or the network stands against. */
export const isRetryable = (failure: ApplicationFailure): boolean =>
  RETRYABLE_FAILURES.some((type) => type === failure.type);

/**
 * Steps that put up with a failure (one interface, one fact) still try this often before they settle for it, so that
 * a moment of throttling does not cost evidence.
 */
const PATIENT_ATTEMPTS = 4;

export function worthAnotherAttempt(failure: ApplicationFailure): boolean {
  return isRetryable(failure) && attempt() < PATIENT_ATTEMPTS;
}

/** Seconds until a throttled step is tried again: doubling from 2 to 60, with jitter so that cases do not march in step. */
function throttleDelaySeconds(): number {
  const doubled = Math.min(60, 2 ** Math.min(attempt(), 6));
  return Math.round((doubled / 2) * (1 + Math.random()) * 10) / 10;
}

/**
 * An error of the AWS SDK as the failure that workflows decide by. Keeps the code and the request id, which AWS's
 * support and the custody record ask for. A failure that is one already is returned as it is.
 * @param what what was tried, on which resource, as a phrase after which ` failed` reads well.
 */
export function toFailure(error: unknown, what: string): ApplicationFailure {
  if (error instanceof ApplicationFailure) return error;
  const given = asAwsError(error);
  const status = given.$metadata?.httpStatusCode;
  const reached = status !== undefined;
  const code =
    !reached && NETWORK.test(`${given.code ?? ''} ${given.message}`) ? 'connection failed' : (given.code ?? given.name);
  const rule =
    RULES.find(({ codes }) => codes.test(code) || codes.test(given.name)) ?? ruleByStatus(status, given.$retryable);
  const request = given.$metadata?.requestId === undefined ? '' : ` (request ${given.$metadata.requestId})`;
  const retryable = RETRYABLE_FAILURES.some((type) => type === rule.type);
  const delay = rule.retryAfterSeconds ?? (rule.type === 'Throttled' ? throttleDelaySeconds() : undefined);
  return ApplicationFailure.create({
    message: `${what} failed: ${code}: ${given.message.slice(0, 500)}${request}. ${rule.advice}`,
    type: rule.type,
    nonRetryable: !retryable,
    details: [{ code, ...(status !== undefined && { status }), requestId: given.$metadata?.requestId ?? null }],
    ...(delay !== undefined && { nextRetryDelay: `${delay} seconds` }),
  });
}

function ruleByStatus(status: number | undefined, retryable: AwsError['$retryable']): Rule {
  const codes = /./;
  if (retryable?.throttling === true || status === 429) {
    return { type: 'Throttled', codes, advice: 'AWS asks to slow down; it is tried again on its own.' };
  }
  if (status !== undefined && status >= 500) {
    return { type: 'Unavailable', codes, advice: 'The fault is on AWS’s side; it is tried again on its own.' };
  }
  return {
    type: 'InvalidRequest',
    codes,
    advice: 'AWS refuses the request itself: check the configuration; if it is sound, report this as a defect.',
  };
}

function asAwsError(error: unknown): AwsError {
  if (error instanceof Error) return error;
  return { name: 'UnknownError', message: String(error) };
}

/** AWS's own error code, wherever the SDK put it; undefined for what is not an error. */
export function awsCode(error: unknown): string | undefined {
  if (error instanceof ApplicationFailure) {
    const [detail] = error.details ?? [];
    return typeof detail === 'object' && detail !== null && 'code' in detail ? String(detail.code) : undefined;
  }
  return error instanceof Error ? ((error as AwsError).code ?? error.name) : undefined;
}

/** The activity that is running, or undefined outside of one (set-up, command line). */
export function currentActivity(): Context | undefined {
  return asyncLocalStorage.getStore();
}

/** Which attempt this is, from 1. */
export function attempt(): number {
  return currentActivity()?.info.attempt ?? 1;
}

/** Given to `client.send` as its second argument: ends the request when the activity is cancelled. */
export interface CallOptions {
  abortSignal?: AbortSignal;
}

/**
 * Carries out one call (or a few that belong together) on AWS: failures come out typed, cancellation of the activity
 * ends the request and comes out as cancellation.
 * @param what as for `toFailure`, e.g. `DescribeVolumes of i-1`.
 */
export async function awsStep<T>(what: string, call: (options: CallOptions) => Promise<T>): Promise<T> {
  const cancellation = currentActivity()?.cancellationSignal;
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  if (cancellation) {
    // A signal of its own for each call: the SDK leaves listeners behind, and one activity may make millions of calls.
    setMaxListeners(0, cancellation);
    cancellation.addEventListener('abort', abort, { once: true });
    if (cancellation.aborted) abort();
  }
  try {
    return await call(cancellation ? { abortSignal: controller.signal } : {});
  } catch (error) {
    if (error instanceof CancelledFailure) throw error;
    if (cancellation?.aborted) throw new CancelledFailure(`${what} was cancelled`);
    throw toFailure(error, what);
  } finally {
    cancellation?.removeEventListener('abort', abort);
  }
}
