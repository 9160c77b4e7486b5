import type { KeyFacts } from './instance-facts';

/**
 * How a volume's snapshot reaches the forensics account.
 * - `share`: shared as it is and copied there under the forensics key.
 * - `re-encrypt-then-share`: first copied in its own account to the key that is prepared for sharing.
 */
export type DiskPath = { path: 'share' | 're-encrypt-then-share'; because: string };

/**
 * The four cases of EBS encryption, two ways out of them.
 * Source: EBS User Guide, "Share an Amazon EBS snapshot" (default-key snapshots cannot be shared; whoever copies a
 * snapshot under a customer managed key needs that key).
 */
export function diskPath(key: KeyFacts | undefined): DiskPath {
  if (!key) return { path: 'share', because: 'the volume is not encrypted' };
  if (key.manager === 'AWS') {
    return {
      path: 're-encrypt-then-share',
      because: 'the volume is under the default key aws/ebs, whose snapshots cannot be shared',
    };
  }
  if (key.usableByForensics) return { path: 'share', because: 'the forensics account may use the volume’s key' };
  return { path: 're-encrypt-then-share', because: 'the forensics account may not use the volume’s key' };
}
