import { z } from 'zod';
import { ACCOUNT_ID, INSTANCE_ID, REGION } from '../target';

/**
 * A GuardDuty finding about an EC2 instance inside its EventBridge envelope; only what a case needs, the rest is ignored.
 * Source: GuardDuty User Guide, "Processing GuardDuty findings with Amazon EventBridge" and the finding's JSON format.
 */
export const guardDutyEventSchema = z.object({
  source: z.literal('aws.guardduty'),
  'detail-type': z.literal('GuardDuty Finding'),
  detail: z.object({
    // The member account: in a delegated administrator's account the envelope names the administrator instead.
    accountId: z.string().regex(ACCOUNT_ID, 'must be 12 digits'),
    region: z.string().regex(REGION, 'must be an AWS Region code such as us-east-1'),
    id: z.string().min(1).max(256),
    type: z.string().min(1).max(256),
    severity: z.number().min(0).max(10),
    title: z.string().max(4096).default(''),
    description: z.string().max(16384).default(''),
    createdAt: z.iso.datetime({ offset: true }),
    resource: z.object({
      resourceType: z.string(),
      instanceDetails: z
        .object({ instanceId: z.string().regex(INSTANCE_ID, 'must be i- and 8 or 17 hexadecimal digits') })
        .optional(),
    }),
  }),
});
