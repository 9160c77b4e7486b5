import { z } from 'zod';
import { ACCOUNT_ID, REGION } from '../target';

/**
 * A management or data event of CloudTrail inside its EventBridge envelope; only what an alert needs, the rest is ignored.
 * Source: EventBridge User Guide, "AWS service events delivered via CloudTrail"; CloudTrail User Guide, "Record contents".
 */
export const cloudTrailEventSchema = z.object({
  'detail-type': z.literal('AWS API Call via CloudTrail'),
  detail: z.object({
    eventID: z.string().min(1).max(128),
    eventTime: z.iso.datetime({ offset: true }),
    // e.g. `ec2.amazonaws.com`
    eventSource: z.string().regex(/^[a-z0-9-]+\.amazonaws\.com$/, 'must be a service such as ec2.amazonaws.com'),
    eventName: z.string().min(1).max(128),
    awsRegion: z.string().regex(REGION, 'must be an AWS Region code such as us-east-1'),
    recipientAccountId: z.string().regex(ACCOUNT_ID, 'must be 12 digits').optional(),
    sourceIPAddress: z.string().max(256).optional(),
    errorCode: z.string().max(256).optional(),
    userIdentity: z.object({
      type: z.string().max(64).optional(),
      arn: z.string().max(2048).optional(),
      principalId: z.string().max(256).optional(),
      accountId: z.string().max(64).optional(),
      invokedBy: z.string().max(256).optional(),
      sessionContext: z
        .object({ sessionIssuer: z.object({ arn: z.string().max(2048).optional() }).optional() })
        .optional(),
    }),
    // Null for calls without parameters.
    requestParameters: z.record(z.string(), z.unknown()).nullish(),
    resources: z.array(z.object({ ARN: z.string().max(2048).optional() })).optional(),
  }),
});
