import { DescribeKeyCommand } from '@aws-sdk/client-kms';
import type { AccountClients } from './aws/clients';
import { awsStep } from './aws/errors';
import { type AuditFindings, orDifference } from './audit-findings';

/** Without its key evidence is lost, however well it is locked: the keys must be there, and enabled. */
export async function auditKeys({ kms }: AccountClients, arns: string[], found: AuditFindings): Promise<void> {
  for (const KeyId of new Set(arns)) {
    const what = `key ${KeyId}`;
    const described = await orDifference(found, what, () =>
      awsStep(`looking at ${what}`, (options) => kms.send(new DescribeKeyCommand({ KeyId }), options)),
    );
    const { KeyState: state = 'unknown', DeletionDate: ends } = described?.KeyMetadata ?? {};
    if (!described || state === 'Enabled') continue;
    const problem =
      state === 'PendingDeletion'
        ? `it will be deleted${ends ? ` at ${ends.toISOString()}` : ''}, and everything under it is lost then: cancel the deletion (kms:CancelKeyDeletion)`
        : `its state is ${state}: nothing under it can be read`;
    found.differences.push({ what, problem, severity: 'critical' });
  }
}
