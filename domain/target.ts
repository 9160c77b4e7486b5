/** The instance that a case is about. One open case per target. */
export interface InstanceTarget {
  /** 12 digits; a string, since a leading zero counts. */
  accountId: string;
  /** AWS Region code, e.g. `eu-central-1`. */
  region: string;
  /** `i-` and 8 or 17 hexadecimal digits. */
  instanceId: string;
}

export const ACCOUNT_ID = /^\d{12}$/;
export const REGION = /^[a-z]{2}(-[a-z]+)+-\d$/;
export const INSTANCE_ID = /^i-(?:[0-9a-f]{8}|[0-9a-f]{17})$/;

/** What is wrong with a target, one sentence a field; empty when it is sound. */
export function targetProblems(target: Partial<InstanceTarget>): string[] {
  const problems: string[] = [];
  if (!ACCOUNT_ID.test(target.accountId ?? '')) {
    problems.push(`accountId must be 12 digits, got ${JSON.stringify(target.accountId)}`);
  }
  if (!REGION.test(target.region ?? '')) {
    problems.push(`region must be an AWS Region code such as us-east-1, got ${JSON.stringify(target.region)}`);
  }
  if (!INSTANCE_ID.test(target.instanceId ?? '')) {
    problems.push(`instanceId must be i- and 8 or 17 hexadecimal digits, got ${JSON.stringify(target.instanceId)}`);
  }
  return problems;
}
