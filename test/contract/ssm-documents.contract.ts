import { createHash } from 'node:crypto';
import {
  CreateDocumentCommand,
  DeleteDocumentCommand,
  DescribeDocumentCommand,
  ModifyDocumentPermissionCommand,
  UpdateDocumentCommand,
  UpdateDocumentDefaultVersionCommand,
} from '@aws-sdk/client-ssm';
import type { Account } from './account';
import { documented } from './documented';
import { target } from './target';
import { outcome, until, untilOutcome } from './waiting';

const content = (line: string): object => ({
  schemaVersion: '2.2',
  description: 'contract test',
  mainSteps: [{ action: 'aws:runShellScript', name: 'run', inputs: { runCommand: [line] } }],
});
const document = (line = 'true'): Promise<string> => target().resources.document(target().forensics, content(line));
const describeDocument = async (Name: string, account = target().forensics, DocumentVersion?: string) =>
  (await account.ssm.send(new DescribeDocumentCommand({ Name, DocumentVersion }))).Document!;
const create = (Name: string, Content: string) =>
  target().forensics.ssm.send(
    new CreateDocumentCommand({ Name, Content, DocumentType: 'Command', DocumentFormat: 'JSON' }),
  );
const update = async (Name: string, line: string, DocumentVersion = '$LATEST') => {
  const answer = await target().forensics.ssm.send(
    new UpdateDocumentCommand({
      Name,
      Content: JSON.stringify(content(line)),
      DocumentFormat: 'JSON',
      DocumentVersion,
    }),
  );
  return answer.DocumentDescription!.DocumentVersion!;
};
/** AWS takes a moment from Creating or Updating to Active. */
const untilActive = (Name: string) =>
  until(
    `${Name} to be active`,
    async () => (await describeDocument(Name)).Status,
    (status) => status === 'Active',
  );
const share = (Name: string, AccountIdsToAdd: string[], AccountIdsToRemove: string[] = []) =>
  target().forensics.ssm.send(
    new ModifyDocumentPermissionCommand({ Name, PermissionType: 'Share', AccountIdsToAdd, AccountIdsToRemove }),
  );
const arnOf = (owner: Account, name: string): string =>
  `arn:aws:ssm:${target().region}:${owner.accountId}:document/${name}`;

describe('SSM documents', () => {
  documented(
    'AWS Systems Manager API Reference: CreateDocument',
    'DocumentAlreadyExists: the specified document already exists',
    async () => {
      const name = await document();
      expect(await outcome(create(name, JSON.stringify(content('false'))))).toBe('DocumentAlreadyExists');
    },
  );

  documented(
    'AWS Systems Manager API Reference: CreateDocument',
    'InvalidDocumentContent: the content for the document isn’t valid',
    async () => {
      const { resources } = target();
      expect(await outcome(create(resources.name(), '{ "schemaVersion": "2.2"'))).toBe('InvalidDocumentContent');
      const withoutSteps = JSON.stringify({ schemaVersion: '2.2', description: 'nothing to do' });
      expect(await outcome(create(resources.name(), withoutSteps))).toBe('InvalidDocumentContent');
    },
  );

  documented(
    'AWS Systems Manager API Reference: CreateDocument',
    'MaxDocumentSizeExceeded: the size limit of a document is 64 KB',
    async () => {
      const big = JSON.stringify(content('x'.repeat(66_000)));
      expect(await outcome(create(target().resources.name(), big))).toBe('MaxDocumentSizeExceeded');
    },
  );

  documented(
    'AWS Systems Manager API Reference: DescribeDocument',
    'Hash: the Sha256 or Sha1 hash created by the system when the document was created',
    async () => {
      const name = await document('echo hash');
      const expected = createHash('sha256')
        .update(JSON.stringify(content('echo hash')))
        .digest('hex');
      expect(await describeDocument(name)).toMatchObject({
        HashType: 'Sha256',
        Hash: expected,
        DocumentVersion: '1',
        DefaultVersion: '1',
        LatestVersion: '1',
        Owner: target().forensics.accountId,
      });
    },
  );

  documented(
    'AWS Systems Manager API Reference: DescribeDocument',
    'InvalidDocument: the specified SSM document doesn’t exist; InvalidDocumentVersion: the document version isn’t valid or doesn’t exist',
    async () => {
      const name = await document();
      expect(await outcome(describeDocument(target().resources.name()))).toBe('InvalidDocument');
      expect(await outcome(describeDocument(name, target().forensics, '7'))).toBe('InvalidDocumentVersion');
    },
  );

  documented(
    'AWS Systems Manager API Reference: UpdateDocument',
    'a new version is made from $LATEST, and the default version stays; DuplicateDocumentContent: the content of the document matches another document',
    async () => {
      const name = await document('echo one');
      await untilActive(name);
      expect(await outcome(update(name, 'echo one'))).toBe('DuplicateDocumentContent');
      expect(await update(name, 'echo two')).toBe('2');
      await untilActive(name);
      expect(await describeDocument(name)).toMatchObject({ DocumentVersion: '1', DefaultVersion: '1' });
      expect((await describeDocument(name, target().forensics, '$LATEST')).DocumentVersion).toBe('2');
    },
  );

  documented(
    'AWS Systems Manager API Reference: UpdateDocumentDefaultVersion',
    'set the default version of a document; InvalidDocumentVersion when there is no such version',
    async () => {
      const name = await document('echo one');
      await untilActive(name);
      const DocumentVersion = await update(name, 'echo two');
      await untilActive(name);
      const set = (version: string) =>
        target().forensics.ssm.send(new UpdateDocumentDefaultVersionCommand({ Name: name, DocumentVersion: version }));
      expect(await outcome(set('9'))).toBe('InvalidDocumentVersion');
      await set(DocumentVersion);
      expect((await describeDocument(name)).DocumentVersion).toBe('2');
    },
  );

  documented(
    'AWS Systems Manager API Reference: ModifyDocumentPermission',
    'if you share a document privately, you must specify the account IDs for those people who can use the document',
    async () => {
      const { member, forensics } = target();
      const name = await document();
      const arn = arnOf(forensics, name);
      // AWS does not say by which error a document of another account is hidden.
      const hidden = /^(InvalidDocument|AccessDeniedException)$/;
      expect(await outcome(describeDocument(arn, member))).toMatch(hidden);
      await share(name, [member.accountId]);
      await untilOutcome('accepted', () => describeDocument(arn, member));
      expect((await describeDocument(arn, member)).Owner).toBe(forensics.accountId);
      await share(name, [], [member.accountId]);
      await untilOutcome(hidden, () => describeDocument(arn, member));
    },
  );

  documented(
    'AWS Systems Manager API Reference: DeleteDocument',
    'InvalidDocumentOperation: you must stop sharing the document before you can delete it',
    async () => {
      const { member, forensics } = target();
      const Name = await document();
      await share(Name, [member.accountId]);
      const remove = () => outcome(forensics.ssm.send(new DeleteDocumentCommand({ Name })));
      expect(await remove()).toBe('InvalidDocumentOperation');
      await share(Name, [], [member.accountId]);
      expect(await remove()).toBe('accepted');
    },
  );
});
