import { EC2Client, RegisterImageCommand } from '@aws-sdk/client-ec2';
import { stepResult } from '../../../lab/agent/steps';
import { LAB_REGION } from '../../../lab/config';
import { launchPaperFleet } from '../../../lab/paper/paper-fleet';
import { type AgentMessage, type DocumentStatus, parseCommandMessageId } from '../../../lab/ssm/messages';
import { type Credentials, type SsmBench, until } from './ssm-bench';

/** Instances whose agents the test plays: what they are sent waits here until the test answers. */
export class PlayedNodes {
  readonly inbox: AgentMessage[] = [];

  private constructor(
    private readonly bench: SsmBench,
    readonly ids: string[],
  ) {}

  static async launch(
    bench: SsmBench,
    accountId: string,
    credentials: Credentials,
    count: number,
    tags: Record<string, string>,
  ): Promise<PlayedNodes> {
    const ec2 = new EC2Client({ region: LAB_REGION, endpoint: bench.awsUrl, credentials });
    const Name = `image-${Math.random().toString(36).slice(2)}`;
    const { ImageId } = await ec2.send(new RegisterImageCommand({ Name, RootDeviceName: '/dev/xvda' }));
    const nodes = new PlayedNodes(bench, await launchPaperFleet({ ec2, imageId: ImageId!, count, tags }));
    ec2.destroy();
    for (const id of nodes.ids) {
      bench.ssm.inProcess.register(id, accountId, { platformType: 'Linux' }, (message) => nodes.inbox.push(message));
    }
    return nodes;
  }

  /** The instances that have been sent something that was not answered, in the order of sending. */
  waiting(): string[] {
    return this.inbox.map(({ MessageId }) => parseCommandMessageId(MessageId)!.instanceId);
  }

  async untilWaiting(count: number): Promise<void> {
    await until(`${count} messages`, () => this.inbox.length === count);
  }

  /** Answers the oldest message. */
  answer(status: DocumentStatus): void {
    const { MessageId } = this.inbox.shift()!;
    const { inProcess } = this.bench.ssm;
    inProcess.acknowledge(MessageId);
    const code = status === 'Success' ? 0 : 1;
    const step = stepResult('aws:runShellScript', { status: status === 'InProgress' ? 'Success' : status, code });
    inProcess.reply(MessageId, status, { a: step });
  }
}
