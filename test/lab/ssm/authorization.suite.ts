import { DescribeInstanceInformationCommand, GetParameterCommand, ListCommandsCommand } from '@aws-sdk/client-ssm';
import { CreateAccessKeyCommand, CreateUserCommand, IAMClient, PutUserPolicyCommand } from '@aws-sdk/client-iam';
import type { Emulator } from '../../../lab/aws/emulator';
import { LAB_ACCOUNTS, LAB_REGION } from '../../../lab/config';
import { type Credentials, type SsmBench, startBench } from './ssm-bench';

type Key = Omit<Credentials, 'sessionToken'>;

/** With IAM enforcement on, the emulator judges the calls that the SSM server answers as well as those it passes on. */
export function authorization(emulator: () => Emulator): void {
  describe('signatures and policies', () => {
    let bench: SsmBench;
    let allowed: Key;
    let denied: Key;

    beforeAll(async () => {
      bench = await startBench(emulator());
      const iam = new IAMClient({
        region: LAB_REGION,
        endpoint: bench.awsUrl,
        credentials: await bench.credentials(LAB_ACCOUNTS.member),
      });
      const user = async (name: string, actions: string[]): Promise<Key> => {
        await iam.send(new CreateUserCommand({ UserName: name }));
        const statement = { Effect: 'Allow', Action: actions, Resource: '*' };
        await iam.send(
          new PutUserPolicyCommand({
            UserName: name,
            PolicyName: 'test',
            PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: [statement] }),
          }),
        );
        const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: name }));
        return { accessKeyId: AccessKey!.AccessKeyId!, secretAccessKey: AccessKey!.SecretAccessKey! };
      };
      allowed = await user('allowed', ['ssm:DescribeInstanceInformation', 'ssm:ListCommands', 'ssm:GetParameter']);
      denied = await user('denied', ['ec2:DescribeInstances']);
      iam.destroy();
      const answer = await fetch(`${bench.awsUrl}/moto-api/reset-auth`, { method: 'POST', body: '0' });
      expect(answer.ok).toBe(true);
    });

    afterAll(async () => {
      await bench.stop();
    });

    async function outcome(key: Key): Promise<string[]> {
      const client = bench.client({ ...key } as Credentials);
      const names: string[] = [];
      for (const call of [
        () => client.send(new DescribeInstanceInformationCommand({})),
        () => client.send(new ListCommandsCommand({})),
        () => client.send(new GetParameterCommand({ Name: '/lab/none' })),
      ]) {
        names.push(
          await call().then(
            () => 'answered',
            (error: unknown) => (error as Error).name,
          ),
        );
      }
      client.destroy();
      return names;
    }

    test('a policy that allows the action lets it through, and the signature holds', async () => {
      expect(await outcome(allowed)).toEqual(['answered', 'answered', 'ParameterNotFound']);
    });

    test('a policy that does not is a refusal', async () => {
      expect(await outcome(denied)).toEqual(Array(3).fill('AccessDeniedException'));
    });

    test('a wrong secret is a refusal', async () => {
      const names = await outcome({ ...allowed, secretAccessKey: 'wrong' });
      expect(new Set(names).size).toBe(1);
      expect(names[0]).toMatch(/Signature/);
    });
  });
}
