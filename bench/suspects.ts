import type { VolumeEncryption } from '../lab/seed/launch';

/** The keys of the volumes in turn: every second volume's key cannot be shared, so it is copied once more. */
const ENCRYPTIONS: readonly VolumeEncryption[] = ['none', 'default-key', 'shared-customer-key', 'customer-key'];

export const encryptionsOf = (volumes: number): VolumeEncryption[] =>
  Array.from({ length: volumes }, (_, index) => ENCRYPTIONS[index % ENCRYPTIONS.length]!);
