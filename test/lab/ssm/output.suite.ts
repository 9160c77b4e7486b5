import type { ChildProcess } from 'node:child_process';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { CreateTopicCommand, SubscribeCommand } from '@aws-sdk/client-sns';
import { CreateBucketCommand, DeleteBucketCommand, GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { GetCommandInvocationCommand, SendCommandCommand } from '@aws-sdk/client-ssm';
import type { Emulator } from '../../../lab/aws/emulator';
import { LAB_ACCOUNTS, LAB_REGION } from '../../../lab/config';
import { type AccountClients, administratorOf } from '../../../lab/seed/account-clients';
import {
  bundledAgent,
  createDocument,
  endAgent,
  finished,
  oneStep,
  type SsmBench,
  startAgent,
  startBench,
  until,
  untilOnline,
} from './ssm-bench';

const INSTANCE = 'i-00b7907000000001a';
const LINES = 20_000;

/** What becomes of a command elsewhere: its output in S3, its progress in SNS. */
export function outputAndNotifications(emulator: () => Emulator): void {
  describe('output to S3 and notifications', () => {
    let bench: SsmBench;
    let member: AccountClients;
    let s3: S3Client;
    let agent: ChildProcess;

    beforeAll(async () => {
      bench = await startBench(emulator());
      member = await administratorOf(LAB_ACCOUNTS.member, { aws: bench.awsUrl, ssm: bench.ssm.url });
      const credentials = await bench.credentials(LAB_ACCOUNTS.member);
      s3 = new S3Client({
        region: LAB_REGION,
        endpoint: bench.awsUrl,
        credentials,
        forcePathStyle: true,
        // The SDK's own CRC64NVME of a body in several pieces is wrong inside jest (another realm's Uint8Array).
        responseChecksumValidation: 'WHEN_REQUIRED',
      });
      agent = startAgent(bench, await bundledAgent(bench), INSTANCE, credentials);
      await untilOnline(bench, INSTANCE);
      await createDocument(member.ssm, 'lab-output', {
        schemaVersion: '2.2',
        mainSteps: [
          { action: 'aws:runShellScript', name: 'much', inputs: { runCommand: [`seq ${LINES}`, 'echo bad >&2'] } },
          { action: 'aws:runShellScript', name: 'none', inputs: { runCommand: ['true'] } },
        ],
      });
      await createDocument(member.ssm, 'lab-told', oneStep('true'));
    });

    afterAll(async () => {
      await endAgent(agent);
      s3.destroy();
      await bench.stop();
    });

    async function send(OutputS3BucketName: string): Promise<string> {
      const { Command } = await member.ssm.send(
        new SendCommandCommand({
          DocumentName: 'lab-output',
          InstanceIds: [INSTANCE],
          OutputS3BucketName,
          OutputS3KeyPrefix: 'runs/today/',
        }),
      );
      return Command!.CommandId!;
    }

    test('the whole output of each step lies in the bucket, of which the API tells the beginning', async () => {
      const Bucket = 'lab-command-output';
      await s3.send(new CreateBucketCommand({ Bucket }));
      const commandId = await send(Bucket);
      const invocation = await finished(member.ssm, commandId);
      expect(invocation.Status).toBe('Success');
      const folder = `runs/today/${commandId}/${INSTANCE}/awsrunShellScript`;
      const stored = async (name: string): Promise<string> => {
        const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key: `${folder}/${name}` }));
        return await Body!.transformToString();
      };
      const expected = Array.from({ length: LINES }, (_, index) => `${index + 1}\n`).join('');
      expect(await stored('much/stdout')).toBe(expected);
      expect(await stored('much/stderr')).toBe('bad\n');
      expect(await stored('none/stdout')).toBe('');
      const detail = await member.ssm.send(
        new GetCommandInvocationCommand({ CommandId: commandId, InstanceId: INSTANCE, PluginName: 'much' }),
      );
      expect(detail.StandardOutputContent).toBe(expected.slice(0, 24_000));
      expect(detail.StandardOutputUrl).toBe(`https://s3.us-east-1.amazonaws.com/${Bucket}/${folder}/much/stdout`);
      expect(invocation.CommandPlugins!.map(({ OutputS3KeyPrefix }) => OutputS3KeyPrefix)).toEqual([folder, folder]);
    });

    test('a bucket that is gone by then does not make the command fail', async () => {
      const Bucket = 'lab-command-output-gone';
      await s3.send(new CreateBucketCommand({ Bucket }));
      const waiting = 'i-00b7907000000002b'; // a command whose agent comes after the bucket has gone
      bench.ssm.inProcess.register(waiting, LAB_ACCOUNTS.member, {}, () => undefined);
      bench.ssm.inProcess.unregister(waiting);
      const { Command } = await member.ssm.send(
        new SendCommandCommand({ DocumentName: 'lab-told', InstanceIds: [waiting], OutputS3BucketName: Bucket }),
      );
      await s3.send(new DeleteBucketCommand({ Bucket }));
      const credentials = await bench.credentials(LAB_ACCOUNTS.member);
      const late = startAgent(bench, await bundledAgent(bench), waiting, credentials);
      const invocation = await finished(member.ssm, Command!.CommandId!);
      await endAgent(late);
      expect(invocation).toMatchObject({ Status: 'Success', StandardOutputUrl: '' });
    });

    test('output of a command that keeps none is refused', async () => {
      const target = `${bench.ssm.url}/agent-output/00000000-0000-4000-8000-000000000000/${INSTANCE}/p/much/stdout`;
      const answer = await fetch(target, { method: 'PUT', body: 'x' });
      expect(answer.status).toBe(400);
    });

    test('a topic hears of each status of a command and of an invocation, in order', async () => {
      const heard: { Message: string; Subject?: string }[] = [];
      const subscriber = http.createServer((request, response) => {
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => {
          heard.push(JSON.parse(Buffer.concat(chunks).toString()) as { Message: string });
          response.end();
        });
      });
      await new Promise<void>((resolve) => subscriber.listen(0, '127.0.0.1', resolve));
      try {
        const { TopicArn } = await member.sns.send(new CreateTopicCommand({ Name: 'commands' }));
        const Endpoint = `http://127.0.0.1:${(subscriber.address() as AddressInfo).port}/`;
        await member.sns.send(new SubscribeCommand({ TopicArn, Protocol: 'http', Endpoint }));
        const send = async (NotificationType: 'Command' | 'Invocation'): Promise<string> => {
          const { Command } = await member.ssm.send(
            new SendCommandCommand({
              DocumentName: 'lab-told',
              InstanceIds: [INSTANCE],
              ServiceRoleArn: `arn:aws:iam::${LAB_ACCOUNTS.member}:role/notifications`,
              NotificationConfig: { NotificationArn: TopicArn, NotificationEvents: ['All'], NotificationType },
            }),
          );
          return Command!.CommandId!;
        };
        const told = (commandId: string): Record<string, unknown>[] =>
          heard
            .filter(({ Message }) => Message.startsWith('{'))
            .map(({ Message }) => JSON.parse(Message) as Record<string, unknown>)
            .filter((message) => message.commandId === commandId);
        const whole = await send('Command');
        await until('Success of the command', () => told(whole).some(({ status }) => status === 'Success'));
        expect(told(whole).map(({ status }) => status)).toEqual(['InProgress', 'Success']);
        expect(told(whole)[0]).toMatchObject({ documentName: 'lab-told', instanceIds: [INSTANCE] });
        const one = await send('Invocation');
        await until('Success of the invocation', () => told(one).some(({ status }) => status === 'Success'));
        expect(told(one).map(({ status, instanceId }) => [status, instanceId])).toEqual([
          ['InProgress', INSTANCE],
          ['Success', INSTANCE],
        ]);
      } finally {
        subscriber.closeAllConnections();
        await new Promise((resolve) => subscriber.close(resolve));
      }
    });
  });
}
