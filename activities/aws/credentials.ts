import { AssumeRoleCommand, type STSClient } from '@aws-sdk/client-sts';

/** Asked for: a session of a chained role ends after an hour whatever is asked (IAM User Guide, "Role chaining"). */
const SESSION_SECONDS = 3600;
/** Renewed this long before the session ends, so that no request is signed with credentials about to expire. */
const RENEW_BEFORE_MS = 5 * 60_000;

export interface SessionCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
  expiration: Date;
}

export type CredentialsProvider = () => Promise<SessionCredentials>;

export interface AssumedRole {
  roleArn: string;
  /** Shown in the member account's CloudTrail as the actor; 2 to 64 characters of `[\w+=,.@-]`. */
  sessionName: string;
  externalId?: string;
  /** JSON of a policy that narrows what the session may do; 2,048 characters at most. */
  policy?: string;
}

/** What STS accepts as a session name: 2 to 64 characters of `[\w+=,.@-]` (STS API reference, AssumeRole). */
export function sessionName(text: string): string {
  return text
    .replace(/[^\w+=,.@-]/g, '-')
    .slice(0, 64)
    .padEnd(2, '-');
}

/**
 * Credentials of an assumed role, shared by every client of one purpose: one AssumeRole for all of them, a single
 * request in flight, renewed before the session ends. A failure is not remembered.
 */
export function assumedRoleCredentials(sts: () => STSClient, role: AssumedRole): CredentialsProvider {
  let session: Promise<SessionCredentials> | undefined;
  let renewAt = 0;

  const assume = async (): Promise<SessionCredentials> => {
    const { Credentials: given } = await sts().send(
      new AssumeRoleCommand({
        RoleArn: role.roleArn,
        RoleSessionName: role.sessionName,
        DurationSeconds: SESSION_SECONDS,
        ...(role.externalId !== undefined && { ExternalId: role.externalId }),
        ...(role.policy !== undefined && { Policy: role.policy }),
      }),
    );
    if (!given?.AccessKeyId || !given.SecretAccessKey || !given.SessionToken || !given.Expiration) {
      throw new Error(`STS answered AssumeRole of ${role.roleArn} without credentials`);
    }
    renewAt = given.Expiration.getTime() - RENEW_BEFORE_MS;
    return {
      accessKeyId: given.AccessKeyId,
      secretAccessKey: given.SecretAccessKey,
      sessionToken: given.SessionToken,
      expiration: given.Expiration,
    };
  };

  return async () => {
    if (session === undefined || Date.now() >= renewAt) {
      renewAt = Number.POSITIVE_INFINITY;
      const asked = assume();
      session = asked;
      asked.catch(() => {
        if (session === asked) session = undefined;
      });
    }
    return session;
  };
}
