import { diskPath } from '../../domain/disk-path';

const key = { keyArn: 'arn:aws:kms:us-east-1:111122223333:key/1', enabled: true } as const;

test.each([
  ['an unencrypted volume', undefined, 'share'],
  ['a shareable key', { ...key, manager: 'CUSTOMER', usableByForensics: true }, 'share'],
  ['a key without grant', { ...key, manager: 'CUSTOMER', usableByForensics: false }, 're-encrypt-then-share'],
  ['the default key aws/ebs', { ...key, manager: 'AWS', usableByForensics: false }, 're-encrypt-then-share'],
  [
    'the default key, whatever is said of it',
    { ...key, manager: 'AWS', usableByForensics: true },
    're-encrypt-then-share',
  ],
] as const)('%s', (_, facts, path) => {
  const way = diskPath(facts);
  expect(way.path).toBe(path);
  expect(way.because.length).toBeGreaterThan(10);
});
