import { createHash } from 'node:crypto';
import {
  CreateDocumentCommand,
  DescribeDocumentCommand,
  GetDocumentCommand,
  ModifyDocumentPermissionCommand,
  SendCommandCommand,
  type SSMClient,
  UpdateDocumentCommand,
  UpdateDocumentDefaultVersionCommand,
} from '@aws-sdk/client-ssm';
import type { Emulator } from '../../../lab/aws/emulator';
import { LAB_ACCOUNTS, LAB_REGION } from '../../../lab/config';
import { createDocument, oneStep, type SsmBench, startBench } from './ssm-bench';

const STEP = { action: 'aws:runShellScript', name: 'run', inputs: { runCommand: ['true'] } };

/** Documents as the emulator keeps them, and as SendCommand takes them. */
export function documentRules(emulator: () => Emulator): void {
  describe('documents', () => {
    let bench: SsmBench;
    let member: SSMClient;
    let forensics: SSMClient;
    let names = 0;

    beforeAll(async () => {
      bench = await startBench(emulator());
      member = bench.client(await bench.credentials(LAB_ACCOUNTS.member));
      forensics = bench.client(await bench.credentials(LAB_ACCOUNTS.forensics));
    });

    afterAll(async () => {
      member.destroy();
      forensics.destroy();
      await bench.stop();
    });

    function newName(): string {
      names += 1;
      return `lab-document-${names}`;
    }

    async function creation(Content: string, DocumentFormat: 'JSON' | 'YAML' = 'JSON'): Promise<string> {
      const command = new CreateDocumentCommand({ Name: newName(), DocumentType: 'Command', DocumentFormat, Content });
      return await member.send(command).then(
        () => 'created',
        (error: unknown) => `${(error as Error).name}: ${(error as Error).message}`,
      );
    }

    async function update(client: SSMClient, Name: string, line: string): Promise<void> {
      const Content = JSON.stringify(oneStep(line));
      await client.send(new UpdateDocumentCommand({ Name, Content, DocumentVersion: '$LATEST' }));
    }

    test.each<[string, object, RegExp]>([
      ['a schema that Run Command lacks', { schemaVersion: '0.3', mainSteps: [STEP] }, /^InvalidDocumentSchemaVersion/],
      ['no schema', { mainSteps: [STEP] }, /^InvalidDocumentSchemaVersion/],
      ['a member that is none', { schemaVersion: '2.2', mainSteps: [STEP], steps: [] }, /Content: .*steps/],
      ['no steps', { schemaVersion: '2.2', mainSteps: [] }, /Content: mainSteps/],
      [
        'an unknown plugin',
        { schemaVersion: '2.2', mainSteps: [{ ...STEP, action: 'aws:run' }] },
        /Content: .*aws:run/,
      ],
      [
        'a step without a name',
        { schemaVersion: '2.2', mainSteps: [{ ...STEP, name: undefined }] },
        /Content: Step name/,
      ],
      ['two steps of one name', { schemaVersion: '2.2', mainSteps: [STEP, STEP] }, /Content: .*not unique/],
      ['no commands', { schemaVersion: '2.2', mainSteps: [{ ...STEP, inputs: {} }] }, /Content: .*runCommand/],
      ['inputs as a list', { schemaVersion: '2.2', mainSteps: [{ ...STEP, inputs: [] }] }, /Content: inputs/],
      [
        'a parameter of an unknown type',
        { schemaVersion: '2.2', parameters: { a: { type: 'Text' } }, mainSteps: [STEP] },
        /Content: Parameter a has type Text/,
      ],
      [
        'a default of another type',
        { schemaVersion: '2.2', parameters: { a: { type: 'Boolean', default: 'yes' } }, mainSteps: [STEP] },
        /Content: The default of parameter a/,
      ],
      [
        'a pattern that is none',
        { schemaVersion: '2.2', parameters: { a: { type: 'String', allowedPattern: '(' } }, mainSteps: [STEP] },
        /Content: allowedPattern of parameter a/,
      ],
    ])('CreateDocument refuses %s', async (_, content, refusal) => {
      expect(await creation(JSON.stringify(content))).toMatch(refusal);
    });

    test('CreateDocument refuses what is not JSON or YAML, and says where', async () => {
      expect(await creation('{\n  "schemaVersion": 2.2,,\n}')).toBe(
        'InvalidDocumentContent: JSON not well-formed. at Line: 2, Column: 24',
      );
      expect(await creation('schemaVersion: "2.2', 'YAML')).toMatch(/^InvalidDocumentContent: YAML not well-formed/);
      expect(await creation(`schemaVersion: '2.2'\nmainSteps: ${JSON.stringify([STEP])}\n`, 'YAML')).toBe('created');
    });

    test('the size limit of a document is 64 KB', async () => {
      const filled = (characters: number): string => {
        const content = JSON.stringify(oneStep(''));
        return content.replace('""', `"${'#'.repeat(characters - content.length)}"`);
      };
      expect(await creation(filled(65_536))).toBe('created');
      expect(await creation(filled(65_537))).toMatch(/^MaxDocumentSizeExceeded/);
    });

    test('UpdateDocument is held to the same, and a version that is not the latest is refused', async () => {
      const Name = newName();
      await createDocument(member, Name, oneStep('echo 1'));
      const without = new UpdateDocumentCommand({ Name, Content: '{}', DocumentVersion: '$LATEST' });
      await expect(member.send(without)).rejects.toMatchObject({ name: 'InvalidDocumentSchemaVersion' });
      const Content = JSON.stringify(oneStep('echo 2'));
      const old = new UpdateDocumentCommand({ Name, Content, DocumentVersion: '7' });
      await expect(member.send(old)).rejects.toMatchObject({ name: 'InvalidDocumentVersion' });
    });

    test('DescribeDocument tells hashes, platforms and versions; a version that is not there is refused', async () => {
      const Name = newName();
      const content = oneStep('echo 1');
      await createDocument(member, Name, content);
      await update(member, Name, 'echo 2');
      const { Document } = await member.send(new DescribeDocumentCommand({ Name, DocumentVersion: '$DEFAULT' }));
      const hash = (kind: string): string => createHash(kind).update(JSON.stringify(content)).digest('hex');
      expect(Document).toMatchObject({
        Hash: hash('sha256'),
        HashType: 'Sha256',
        Sha1: hash('sha1'),
        PlatformTypes: ['Linux', 'MacOS'],
        DocumentVersion: '1',
        DefaultVersion: '1',
        LatestVersion: '2',
      });
      const unknown = { Name, DocumentVersion: '3' };
      await expect(member.send(new DescribeDocumentCommand(unknown))).rejects.toMatchObject({
        name: 'InvalidDocumentVersion',
      });
      await expect(member.send(new UpdateDocumentDefaultVersionCommand(unknown))).rejects.toMatchObject({
        name: 'InvalidDocumentVersion',
      });
      await expect(member.send(new DescribeDocumentCommand({ Name: 'lab-nowhere' }))).rejects.toMatchObject({
        name: 'InvalidDocument',
      });
    });

    test('a document is shared by its default version, unless $LATEST or $ALL is said', async () => {
      const Name = newName();
      await createDocument(forensics, Name, oneStep('echo 1'));
      await update(forensics, Name, 'echo 2');
      const arn = `arn:aws:ssm:${LAB_REGION}:${LAB_ACCOUNTS.forensics}:document/${Name}`;
      const instanceId = 'i-0d0c5a4ed00000001';
      bench.ssm.inProcess.register(instanceId, LAB_ACCOUNTS.member, {}, () => undefined);
      const sent = async (DocumentVersion: string): Promise<string> => {
        const command = new SendCommandCommand({ DocumentName: arn, DocumentVersion, InstanceIds: [instanceId] });
        return await member.send(command).then(
          ({ Command }) => Command!.DocumentVersion!,
          (error: unknown) => (error as Error).name,
        );
      };
      const share = async (SharedDocumentVersion?: string): Promise<void> => {
        const AccountIdsToAdd = [LAB_ACCOUNTS.member];
        const version = SharedDocumentVersion === undefined ? {} : { SharedDocumentVersion };
        await forensics.send(
          new ModifyDocumentPermissionCommand({ Name, PermissionType: 'Share', AccountIdsToAdd, ...version }),
        );
      };
      expect(await sent('1')).toBe('InvalidDocument');
      await share();
      expect([await sent('$DEFAULT'), await sent('1'), await sent('2')]).toEqual(['1', '1', 'InvalidDocumentVersion']);
      await expect(member.send(new GetDocumentCommand({ Name: arn, DocumentVersion: '2' }))).rejects.toMatchObject({
        name: 'InvalidDocumentVersion',
      });
      await share('$ALL');
      expect([await sent('1'), await sent('$LATEST')]).toEqual(['1', '2']);
      await forensics.send(new UpdateDocumentDefaultVersionCommand({ Name, DocumentVersion: '2' }));
      expect(await sent('$DEFAULT')).toBe('2');
      const remove = { Name, PermissionType: 'Share' as const, AccountIdsToRemove: [LAB_ACCOUNTS.member] };
      await forensics.send(new ModifyDocumentPermissionCommand(remove));
      expect(await sent('$DEFAULT')).toBe('InvalidDocument');
    });

    test('a document for Windows is not sent to Linux', async () => {
      const Name = newName();
      await createDocument(member, Name, {
        schemaVersion: '2.2',
        mainSteps: [{ action: 'aws:psModule', name: 'module', inputs: { source: 'https://example.com/m.zip' } }],
      });
      const instanceId = 'i-0d0c5a4ed00000002';
      bench.ssm.inProcess.register(instanceId, LAB_ACCOUNTS.member, { platformType: 'Linux' }, () => undefined);
      const command = new SendCommandCommand({ DocumentName: Name, InstanceIds: [instanceId] });
      await expect(member.send(command)).rejects.toMatchObject({ name: 'UnsupportedPlatformType' });
    });
  });
}
