import { z } from 'zod';
import { LAYER_NAMES } from '../containment/layer';
import { FINDING_SOURCES, SEVERITIES } from '../finding';
import { CONTAINMENT_PREFERENCES, CRITICALITIES, ISOLATION_TIMES } from '../policy/policy';
import type { WrittenPolicy } from '../policy/settings';
import { isTimeZone, TIME_OF_DAY, WEEKDAYS } from '../policy/time-window';
import { ACCOUNT_ID, INSTANCE_ID } from '../target';

/** A field that is not known is refused by name, with those that are: a misspelt rule would be a rule that never holds. */
function fields<T extends z.ZodRawShape>(shape: T): z.ZodObject<T, z.core.$strict> {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `is not a field here. Remove it, or use one of ${Object.keys(shape).join(', ')}`
        : undefined,
  });
}

const text = z.string().min(1, 'must not be empty').max(512, 'must have at most 512 characters');
const seconds = z.number().positive('must be a number of seconds above 0');
const texts = z.array(text).min(1, 'must list at least one');
const accountId = z
  .string('must be text: quote it, a leading zero counts')
  .regex(ACCOUNT_ID, 'must be 12 digits, quoted');
const severity = z.enum(SEVERITIES);
const preference = z.enum(CONTAINMENT_PREFERENCES);

const tagCondition = fields({
  key: text,
  equals: z.string().exactOptional(),
  anyOf: z.array(z.string()).min(1, 'must list at least one').exactOptional(),
  exists: z.boolean().exactOptional(),
}).refine(
  ({ equals, anyOf, exists }) => [equals, anyOf, exists].filter((one) => one !== undefined).length === 1,
  'needs exactly one of equals, anyOf, exists',
);

const timeOfDay = z
  .string('must be text: quote it, e.g. "08:00"')
  .regex(TIME_OF_DAY, 'must be a time of day such as "08:00"');
const timeWindow = fields({
  timeZone: z.string().refine(isTimeZone, 'must be a time zone by its IANA name, e.g. Europe/Berlin or UTC'),
  weekdays: z.array(z.enum(WEEKDAYS)).min(1, 'must list at least one'),
  from: timeOfDay.refine((time) => time !== '24:00', 'must be a time of day before "24:00"'),
  to: timeOfDay,
}).refine(
  ({ from, to }) => from !== to,
  'covers nothing: from and to are the same. For whole days write "00:00" to "24:00"',
);

const checkpoint = fields({
  consent: z.enum(['required', 'not-required']).exactOptional(),
  quorum: z.number().int().min(1, 'must be 1 or more').max(10, 'must be at most 10').exactOptional(),
  roles: z.array(text).exactOptional(),
  separationOfDuties: z.boolean().exactOptional(),
  provenIdentityRequired: z.boolean().exactOptional(),
  reminderSeconds: seconds.exactOptional(),
  escalateAfterSeconds: seconds.exactOptional(),
  expiresAfterSeconds: seconds.exactOptional(),
  breakGlassRoles: z.array(text).exactOptional(),
});

/** What both the policy and the `then` of a rule may say. */
const settings = {
  acquire: fields({
    memory: z.boolean().exactOptional(),
    volumes: z
      .union([z.enum(['all', 'root', 'none']), fields({ tag: tagCondition })], {
        error: 'must be all, root, none, or a tag condition such as { tag: { key: evidence, exists: true } }',
      })
      .exactOptional(),
  }).exactOptional(),
  isolation: z.enum(ISOLATION_TIMES).exactOptional(),
  containment: fields({
    mode: z.enum(['keep-ssm', 'full']).exactOptional(),
    layers: z.array(z.enum(LAYER_NAMES)).min(1, 'must list at least one').exactOptional(),
  }).exactOptional(),
  examinationProfile: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'must be a name of lower-case letters, digits and hyphens')
    .exactOptional(),
  checkpoints: fields({
    acquisition: checkpoint.exactOptional(),
    isolation: checkpoint.exactOptional(),
    release: checkpoint.exactOptional(),
  }).exactOptional(),
  deadlines: fields({
    snapshot: seconds.exactOptional(),
    copy: seconds.exactOptional(),
    memory: seconds.exactOptional(),
    examination: seconds.exactOptional(),
  }).exactOptional(),
  // S3 Object Lock takes up to 36,500 days.
  retentionDays: z.number().int().min(1, 'must be 1 or more').max(36_500, 'must be at most 36500').exactOptional(),
};

const match = fields({
  findingType: texts.exactOptional(),
  severity: severity.exactOptional(),
  account: z.array(accountId).min(1, 'must list at least one').exactOptional(),
  region: texts.exactOptional(),
  tags: z.array(tagCondition).min(1, 'must list at least one').exactOptional(),
  criticality: z.enum(CRITICALITIES).exactOptional(),
  time: z
    .union([z.enum(['business-hours', 'outside-business-hours']), timeWindow], {
      error: 'must be business-hours, outside-business-hours, or a window of timeZone, weekdays, from and to',
    })
    .exactOptional(),
  source: z.array(z.enum(FINDING_SOURCES)).min(1, 'must list at least one').exactOptional(),
});

const RESOURCE_ID = /^(?:vpc|subnet|ami)-(?:[0-9a-f]{8}|[0-9a-f]{17})$/;

/** A policy as it is written in `policy.yaml`, or under `policy` in the worker's configuration. */
export const policySchema: z.ZodType<WrittenPolicy> = fields({
  version: z.literal(1, 'must be 1, the only version there is'),
  ...settings,
  acquisitionTag: text.exactOptional(),
  protectedTag: text.exactOptional(),
  minimumSeverity: severity.exactOptional(),
  protectedResources: fields({
    ids: z
      .array(
        z
          .string()
          .refine(
            (id) => INSTANCE_ID.test(id) || RESOURCE_ID.test(id),
            'must be the id of an instance, VPC, subnet or image',
          ),
      )
      .exactOptional(),
    tags: z.array(tagCondition).exactOptional(),
  }).exactOptional(),
  preferences: fields({
    organisation: preference.exactOptional(),
    accounts: z.record(accountId, preference).exactOptional(),
    tags: z.array(fields({ tag: tagCondition, preference })).exactOptional(),
    confirmedSeverity: severity.exactOptional(),
    suspectedSeverity: severity.exactOptional(),
  }).exactOptional(),
  caps: fields({
    casesPerHour: z.number().int().min(0, 'must be 0 or more').exactOptional(),
    instancesOfAutoScalingGroup: z.number().int().min(0, 'must be 0 or more').exactOptional(),
  }).exactOptional(),
  roles: z.record(text, texts).exactOptional(),
  criticality: fields({
    tag: text,
    values: z.record(z.string(), z.enum(CRITICALITIES)),
    otherwise: z.enum(CRITICALITIES).exactOptional(),
  }).exactOptional(),
  businessHours: timeWindow.exactOptional(),
  rules: z.array(fields({ name: text, match, then: fields(settings) })).exactOptional(),
});
