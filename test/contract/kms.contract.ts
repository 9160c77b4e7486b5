import { createHash, createPublicKey, verify } from 'node:crypto';
import {
  CreateAliasCommand,
  CreateKeyCommand,
  DeleteAliasCommand,
  DescribeKeyCommand,
  GetKeyPolicyCommand,
  GetPublicKeyCommand,
  PutKeyPolicyCommand,
  SignCommand,
} from '@aws-sdk/client-kms';
import type { Account } from './account';
import { documented } from './documented';
import { policyDocument, type PolicyStatement } from './resources';
import { target } from './target';
import { outcome, untilOutcome } from './waiting';

const administered = (account: Account): PolicyStatement => ({
  Effect: 'Allow',
  Principal: { AWS: account.rootArn },
  Action: 'kms:*',
  Resource: '*',
});
const describeKey = (account: Account, KeyId: string) => account.kms.send(new DescribeKeyCommand({ KeyId }));

describe('AWS KMS', () => {
  documented(
    'AWS KMS API Reference: CreateKey',
    'creates a unique customer managed KMS key: SYMMETRIC_DEFAULT by default, enabled',
    async () => {
      const { member, resources } = target();
      const { KeyMetadata } = await describeKey(member, await resources.key(member));
      expect(KeyMetadata).toMatchObject({
        AWSAccountId: member.accountId,
        Enabled: true,
        KeyManager: 'CUSTOMER',
        KeySpec: 'SYMMETRIC_DEFAULT',
        KeyState: 'Enabled',
      });
    },
  );

  documented('AWS KMS API Reference: CreateKey', 'KeyUsage: the default value is ENCRYPT_DECRYPT', async () => {
    const { member, resources } = target();
    const { KeyMetadata } = await describeKey(member, await resources.key(member));
    expect(KeyMetadata!.KeyUsage).toBe('ENCRYPT_DECRYPT');
  });

  documented(
    'AWS KMS API Reference: CreateKey',
    'Policy: the key policy must allow the calling principal to make a subsequent PutKeyPolicy request on the KMS key',
    async () => {
      const { member, forensics } = target();
      const create = new CreateKeyCommand({ Policy: policyDocument(administered(forensics)) });
      expect(await outcome(member.kms.send(create))).toBe('MalformedPolicyDocumentException');
    },
  );

  documented(
    'AWS KMS API Reference: GetPublicKey',
    'returns the public key of an asymmetric KMS key: DER-encoded X.509 SubjectPublicKeyInfo, its spec, usage and algorithms',
    async () => {
      const { member, resources } = target();
      const KeyId = await resources.signingKey(member);
      const { PublicKey, KeySpec, KeyUsage, SigningAlgorithms, ...answer } = await member.kms.send(
        new GetPublicKeyCommand({ KeyId }),
      );
      expect({ KeySpec, KeyUsage, SigningAlgorithms }).toEqual({
        KeySpec: 'ECC_NIST_P256',
        KeyUsage: 'SIGN_VERIFY',
        SigningAlgorithms: ['ECDSA_SHA_256'],
      });
      expect(answer.KeyId).toBe(KeyId);
      const key = createPublicKey({ key: Buffer.from(PublicKey!), format: 'der', type: 'spki' });
      expect(key.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
    },
  );

  documented(
    'AWS KMS API Reference: Sign',
    'Signature: with ECDSA_SHA_256 a DER-encoded object as of ANS X9.62; with MessageType DIGEST, KMS skips the hashing step',
    async () => {
      const { member, resources } = target();
      const KeyId = await resources.signingKey(member);
      const message = Buffer.from('a seal');
      const { PublicKey } = await member.kms.send(new GetPublicKeyCommand({ KeyId }));
      const { Signature } = await member.kms.send(
        new SignCommand({
          KeyId,
          Message: createHash('sha256').update(message).digest(),
          MessageType: 'DIGEST',
          SigningAlgorithm: 'ECDSA_SHA_256',
        }),
      );
      const key = createPublicKey({ key: Buffer.from(PublicKey!), format: 'der', type: 'spki' });
      expect(verify('sha256', message, key, Buffer.from(Signature!))).toBe(true);
    },
  );

  documented('AWS KMS API Reference: Sign', 'KeyUsage of the KMS key must be SIGN_VERIFY', async () => {
    const { member, resources } = target();
    const sign = new SignCommand({
      KeyId: await resources.key(member),
      Message: Buffer.from('a seal'),
      SigningAlgorithm: 'ECDSA_SHA_256',
    });
    expect(await outcome(member.kms.send(sign))).not.toBe('accepted');
  });

  documented(
    'AWS KMS API Reference: CreateAlias',
    'the alias must be unique in the account and Region, and must begin with alias/, but not with alias/aws/',
    async () => {
      const { member, resources } = target();
      const TargetKeyId = await resources.key(member);
      const AliasName = `alias/${resources.name()}`;
      const create = (name: string) =>
        outcome(member.kms.send(new CreateAliasCommand({ AliasName: name, TargetKeyId: TargetKeyId.split('/')[1] })));
      expect(await create(AliasName)).toBe('accepted');
      resources.later(AliasName, () => member.kms.send(new DeleteAliasCommand({ AliasName })));
      expect(await create(AliasName)).toBe('AlreadyExistsException');
      expect(await create(resources.name())).toMatch(/^(ValidationException|InvalidAliasNameException)$/);
      expect(await create('alias/aws/ebs')).not.toBe('accepted');
      expect((await describeKey(member, AliasName)).KeyMetadata!.Arn).toBe(TargetKeyId);
    },
  );

  documented(
    'AWS KMS API Reference: DescribeKey',
    'KeyManager: KMS keys in your account are either customer managed or AWS managed',
    async () => {
      const { member, resources, zones } = target();
      // The key of EBS is made when it is first used.
      await resources.volume(member, { AvailabilityZone: zones[0], Encrypted: true, KmsKeyId: 'alias/aws/ebs' });
      const { KeyMetadata } = await describeKey(member, 'alias/aws/ebs');
      expect(KeyMetadata).toMatchObject({ KeyManager: 'AWS', AWSAccountId: member.accountId, Enabled: true });
    },
  );

  documented(
    'AWS KMS API Reference: DescribeKey',
    'NotFoundException: the request was rejected because the specified entity or resource could not be found',
    async () => {
      const { member, resources } = target();
      expect(await outcome(describeKey(member, `alias/${resources.name()}`))).toBe('NotFoundException');
      expect(await outcome(describeKey(member, '00000000-0000-0000-0000-000000000000'))).toBe('NotFoundException');
    },
  );

  documented(
    'AWS KMS API Reference: DescribeKey',
    'cross-account use: to perform this operation with a KMS key in a different account, specify the key ARN; the key policy must allow it',
    async () => {
      const { member, forensics, resources } = target();
      const key = await resources.key(member);
      expect(await outcome(describeKey(forensics, key))).toBe('AccessDeniedException');
      const Policy = policyDocument(administered(member), {
        Effect: 'Allow',
        Principal: { AWS: forensics.rootArn },
        Action: 'kms:DescribeKey',
        Resource: '*',
      });
      await member.kms.send(new PutKeyPolicyCommand({ KeyId: key, PolicyName: 'default', Policy }));
      await untilOutcome('accepted', () => describeKey(forensics, key));
    },
  );

  documented(
    'AWS KMS API Reference: PutKeyPolicy',
    'attaches a key policy to the specified KMS key; the only valid name is default',
    async () => {
      const { member, resources } = target();
      const KeyId = await resources.key(member);
      const Policy = policyDocument(administered(member));
      const put = (PolicyName: string) => member.kms.send(new PutKeyPolicyCommand({ KeyId, PolicyName, Policy }));
      await put('default');
      const read = await member.kms.send(new GetKeyPolicyCommand({ KeyId, PolicyName: 'default' }));
      expect(JSON.parse(read.Policy!)).toEqual(JSON.parse(Policy));
      expect(await outcome(put('another'))).not.toBe('accepted');
    },
  );

  documented(
    'AWS KMS API Reference: PutKeyPolicy',
    'the key policy must allow the calling principal to make a subsequent PutKeyPolicy request: this reduces the risk that the key becomes unmanageable',
    async () => {
      const { member, forensics, resources } = target();
      const KeyId = await resources.key(member);
      const put = (...owners: Account[]) => {
        const Policy = policyDocument(...owners.map(administered));
        return outcome(member.kms.send(new PutKeyPolicyCommand({ KeyId, PolicyName: 'default', Policy })));
      };
      expect(await put(forensics)).toBe('MalformedPolicyDocumentException');
      expect(await put(member, forensics)).toBe('accepted');
    },
  );
});
