import { CreateTopicCommand, DeleteTopicCommand, PublishCommand } from '@aws-sdk/client-sns';
import { documented } from './documented';
import { target } from './target';
import { outcome } from './waiting';

const topic = async (Name: string): Promise<string> => {
  const { forensics, resources } = target();
  const { TopicArn } = await forensics.sns.send(new CreateTopicCommand({ Name, Tags: resources.tags() }));
  resources.later(`topic ${Name}`, () => forensics.sns.send(new DeleteTopicCommand({ TopicArn })));
  return TopicArn!;
};
const publish = (TopicArn: string, Message: string, Subject?: string) =>
  target().forensics.sns.send(new PublishCommand({ TopicArn, Message, Subject }));

describe('Amazon SNS', () => {
  documented(
    'Amazon SNS API Reference: CreateTopic',
    'this action is idempotent, so if the requester already owns a topic with the specified name, that topic’s ARN is returned without creating a new topic',
    async () => {
      const { forensics, region, resources } = target();
      const name = resources.name();
      const first = await topic(name);
      expect(first).toBe(`arn:aws:sns:${region}:${forensics.accountId}:${name}`);
      expect(await topic(name)).toBe(first);
    },
  );

  documented(
    'Amazon SNS API Reference: Publish',
    'if a messageId is returned, the message is saved and Amazon SNS immediately delivers it; a topic that is not there is NotFound',
    async () => {
      const { resources } = target();
      const arn = await topic(resources.name());
      expect((await publish(arn, 'case opened', 'Forensics')).MessageId).toBeTruthy();
      expect(await outcome(publish(`${arn}-not-there`, 'x'))).toBe('NotFoundException');
    },
  );

  documented(
    'Amazon SNS API Reference: Publish',
    'messages must be at most 262,144 bytes; Subject is less than 100 characters long',
    async () => {
      const arn = await topic(target().resources.name());
      expect(await outcome(publish(arn, 'x'.repeat(262_144)))).toBe('accepted');
      expect(await outcome(publish(arn, 'x'.repeat(262_145)))).toBe('InvalidParameterException');
      expect(await outcome(publish(arn, 'x', 's'.repeat(101)))).toBe('InvalidParameterException');
    },
  );
});
