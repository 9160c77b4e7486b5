import { cloudTrailEventSchema } from '../domain/schemas/cloudtrail-event';
import { type EvidenceThreat, THREATS } from '../domain/evidence-threat';
import { MalformedEventError } from './intake';

type Detail = ReturnType<typeof cloudTrailEventSchema.parse>['detail'];

const SNAPSHOT_ID = /\bsnap-[0-9a-f]{8,17}\b/g;
/** Snapshots of one call that an alert names. */
const MOST_SNAPSHOTS = 50;

/**
 * A call recorded by CloudTrail → what it threatens, or null for a call that threatens no evidence. Pure. Whether what it names is
 * evidence of a case, and whether the product itself called, is for the workflow to find out.
 *
 * @param event in its EventBridge envelope, detail-type "AWS API Call via CloudTrail"
 * @throws MalformedEventError naming every field that is wrong
 */
export function evidenceThreatFrom(event: unknown): EvidenceThreat | null {
  const result = cloudTrailEventSchema.safeParse(event);
  if (!result.success) {
    throw new MalformedEventError(
      result.error.issues.map((issue) => `${issue.path.join('.') || 'the event'}: ${issue.message}`),
    );
  }
  const { detail } = result.data;
  const call = `${detail.eventSource.split('.', 1).join('')}:${detail.eventName}`;
  const meaning = Object.hasOwn(THREATS, call) ? THREATS[call] : undefined;
  if (!meaning) return null;
  const target = targetOf(meaning.target, detail);
  if (!target || (call === 'ec2:ModifySnapshotAttribute' && !sharesMore(detail))) return null;
  const { userIdentity, errorCode, sourceIPAddress } = detail;
  const role = userIdentity.sessionContext?.sessionIssuer?.arn;
  return {
    eventId: detail.eventID,
    at: detail.eventTime,
    region: detail.awsRegion,
    accountId: detail.recipientAccountId ?? userIdentity.accountId ?? '',
    call,
    caller: userIdentity.arn ?? userIdentity.invokedBy ?? userIdentity.principalId ?? 'somebody',
    ...(role !== undefined && { role }),
    ...(sourceIPAddress !== undefined && { sourceAddress: sourceIPAddress }),
    ...(errorCode !== undefined && { refused: errorCode }),
    severity: errorCode === undefined ? meaning.severity : 'medium',
    means: meaning.means,
    target,
  };
}

function targetOf(kind: EvidenceThreat['target']['kind'], detail: Detail): EvidenceThreat['target'] | null {
  const parameters = detail.requestParameters ?? {};
  const text = (name: string): string | undefined => {
    const value = parameters[name];
    return typeof value === 'string' ? value : undefined;
  };
  switch (kind) {
    case 'snapshots': {
      // Older calls have `snapshotId`, newer ones `UnlockSnapshotRequest.SnapshotId`, tags a list: their ids look the same anywhere.
      const snapshotIds = [...new Set(JSON.stringify(parameters).match(SNAPSHOT_ID))].slice(0, MOST_SNAPSHOTS);
      return snapshotIds.length === 0 ? null : { kind, snapshotIds };
    }
    case 'object': {
      const [bucket, key] = [text('bucketName'), text('key')];
      return bucket === undefined ? null : { kind, bucket, ...(key !== undefined && { key }) };
    }
    case 'key': {
      const keyId = detail.resources?.find(({ ARN }) => ARN?.includes(':key/'))?.ARN ?? text('keyId');
      return keyId === undefined ? null : { kind, keyId };
    }
    case 'table': {
      const table = text('tableName');
      return table === undefined ? null : { kind, table };
    }
    case 'trail':
      return { kind };
  }
}

/** Taking a permission back threatens nothing. */
const sharesMore = ({ requestParameters }: Detail): boolean =>
  /"add":|"operationType":"add"/i.test(JSON.stringify(requestParameters ?? {}));
