import type { ContainmentMode } from './layer';

/**
 * Instance profiles (and their roles, of the same names) that an isolated instance gets. Made when the account is set up, before
 * any incident, so that containment needs no right to create roles.
 */
export const ISOLATION_PROFILES: Record<ContainmentMode, string> = {
  'keep-ssm': 'ForensicsIsolatedKeepSsm',
  full: 'ForensicsIsolatedFull',
};

/** Name of the inline policy by which the sessions of one instance are revoked; two instances may share a role. */
export const revocationPolicyName = (instanceId: string): string => `forensics-revoke-${instanceId}`;

/**
 * Denies everything to sessions that were issued before `before`.
 * Sources: IAM User Guide, "Revoking IAM role temporary security credentials"; "AWS global condition context keys"
 * (`aws:TokenIssueTime`); EC2 User Guide, "IAM roles for Amazon EC2" (`ec2:SourceInstanceARN` is in every request
 * that is signed with credentials of an instance, wherever it comes from).
 * @param before ISO 8601, UTC
 * @param instanceArn only sessions of this instance; without it every session of the role
 */
export function revocationPolicy(before: string, instanceArn?: string): object {
  return {
    Version: '2012-10-17',
    Statement: [
      {
        Sid: 'ForensicsRevokeOlderSessions',
        Effect: 'Deny',
        Action: ['*'],
        Resource: ['*'],
        Condition: {
          DateLessThan: { 'aws:TokenIssueTime': before },
          ...(instanceArn !== undefined && { ArnEquals: { 'ec2:SourceInstanceARN': instanceArn } }),
        },
      },
    ],
  };
}
