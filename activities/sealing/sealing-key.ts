import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { GetPublicKeyCommand, type KMSClient, SignCommand, type SigningAlgorithmSpec } from '@aws-sdk/client-kms';
import { ApplicationFailure } from '@temporalio/common';
import { awsStep } from '../aws/errors';

const DIGESTS: Partial<Record<SigningAlgorithmSpec, string>> = { ECDSA_SHA_256: 'sha256', ECDSA_SHA_384: 'sha384' };

/** The asymmetric KMS key that seals cases. Its private part never leaves KMS. */
export class SealingKey {
  constructor(
    private readonly kms: KMSClient,
    private readonly keyArn: string,
  ) {}

  /** @throws ApplicationFailure `InvalidRequest` (final) when the key is none for ECDSA with P-256 or P-384 */
  async publicKey(): Promise<{ key: KeyObject; pem: string; sha256: string; algorithm: SigningAlgorithmSpec }> {
    return awsStep(`reading the public key of ${this.keyArn}`, async (options) => {
      const answer = await this.kms.send(new GetPublicKeyCommand({ KeyId: this.keyArn }), options);
      const algorithm = answer.SigningAlgorithms?.find((one) => DIGESTS[one] !== undefined);
      if (!answer.PublicKey || algorithm === undefined) {
        throw ApplicationFailure.nonRetryable(
          `${this.keyArn} is no key for signatures by ECDSA with SHA-256 or SHA-384: set sealingKeyArn to an asymmetric ` +
            'key of spec ECC_NIST_P256 or ECC_NIST_P384',
          'InvalidRequest',
        );
      }
      const der = Buffer.from(answer.PublicKey);
      const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
      return {
        key,
        pem: key.export({ type: 'spki', format: 'pem' }).toString(),
        sha256: createHash('sha256').update(der).digest('hex'),
        algorithm,
      };
    });
  }

  /** DER of the ECDSA signature, checked with the public key before it is given away. */
  async sign(message: Uint8Array): Promise<Buffer> {
    const { key, algorithm } = await this.publicKey();
    const digestName = DIGESTS[algorithm] ?? 'sha256';
    return awsStep(`signing with ${this.keyArn}`, async (options) => {
      const { Signature: signature } = await this.kms.send(
        new SignCommand({
          KeyId: this.keyArn,
          Message: createHash(digestName).update(message).digest(),
          MessageType: 'DIGEST',
          SigningAlgorithm: algorithm,
        }),
        options,
      );
      const made = Buffer.from(signature ?? []);
      if (verify(digestName, message, key, made)) return made;
      throw ApplicationFailure.retryable(
        `the signature by ${this.keyArn} does not hold under its public key`,
        'Unavailable',
      );
    });
  }
}
