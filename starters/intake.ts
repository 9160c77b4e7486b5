import type { z } from 'zod';
import type { CaseRequest } from '../domain/case-request';
import { severityOfGuardDuty } from '../domain/finding';
import { guardDutyEventSchema } from '../domain/schemas/guardduty-event';
import { manualRequestSchema } from '../domain/schemas/manual-request';

/** The event cannot open a case. Sending it again will not help; each problem names the field and the remedy. */
export class MalformedEventError extends Error {
  override readonly name = 'MalformedEventError';
  constructor(readonly problems: string[]) {
    super(`the event cannot open a case: ${problems.join('; ')}`);
  }
}

/** Findings travel in the workflow's history: long texts are cut. */
const TITLE_LENGTH = 300;
const DESCRIPTION_LENGTH = 2000;

/**
 * Any event → one case request. Pure: the caller gives the time.
 *
 * @param event a GuardDuty finding in its EventBridge envelope, or a manual request (`kind: "manual"`)
 * @param receivedAt ISO 8601
 * @throws MalformedEventError naming every field that is wrong
 */
export function caseRequestFrom(event: unknown, receivedAt: string): CaseRequest {
  if (typeof event !== 'object' || event === null || Array.isArray(event)) {
    throw new MalformedEventError(['it must be a JSON object: an EventBridge event or a manual request']);
  }
  if ('kind' in event && event.kind === 'manual') return fromManualRequest(event, receivedAt);
  if ('source' in event && event.source === 'aws.guardduty') return fromGuardDuty(event, receivedAt);
  const source = 'source' in event ? JSON.stringify(event.source).slice(0, 100) : 'none';
  throw new MalformedEventError([
    `source is ${source}: expected "aws.guardduty", or kind "manual" for a request by hand`,
  ]);
}

function fromGuardDuty(event: unknown, receivedAt: string): CaseRequest {
  const { detail } = parsed(guardDutyEventSchema, event);
  const instanceId = detail.resource.instanceDetails?.instanceId;
  if (detail.resource.resourceType !== 'Instance' || !instanceId) {
    throw new MalformedEventError([
      `detail.resource is of type ${JSON.stringify(detail.resource.resourceType).slice(0, 100)}: only findings about an EC2 instance (resourceType "Instance" with instanceDetails.instanceId) open a case`,
    ]);
  }
  return {
    target: { accountId: detail.accountId, region: detail.region, instanceId },
    finding: {
      id: detail.id,
      source: 'guardduty',
      type: detail.type,
      severity: severityOfGuardDuty(detail.severity),
      title: detail.title.slice(0, TITLE_LENGTH),
      description: detail.description.slice(0, DESCRIPTION_LENGTH),
      createdAt: detail.createdAt,
    },
    requestedAction: 'by-policy',
    openedBy: 'guardduty',
    receivedAt,
  };
}

function fromManualRequest(event: unknown, receivedAt: string): CaseRequest {
  const request = parsed(manualRequestSchema, event);
  const { accountId, region, instanceId } = request;
  return {
    target: { accountId, region, instanceId },
    finding: {
      id: `manual-${instanceId}-${receivedAt}`,
      source: 'manual',
      type: 'Manual request',
      severity: request.severity,
      title: request.reason.slice(0, TITLE_LENGTH),
      description: request.reason.slice(0, DESCRIPTION_LENGTH),
      createdAt: receivedAt,
    },
    requestedAction: request.action,
    openedBy: request.openedBy,
    receivedAt,
    ...(request.dryRun && { dryRun: true as const }),
  };
}

function parsed<T>(schema: z.ZodType<T>, event: unknown): T {
  const result = schema.safeParse(event);
  if (result.success) return result.data;
  throw new MalformedEventError(
    result.error.issues.map((issue) => `${issue.path.join('.') || 'the event'}: ${issue.message}`),
  );
}
