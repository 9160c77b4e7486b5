import {
  CreateTargetGroupCommand,
  DeleteTargetGroupCommand,
  DeregisterTargetsCommand,
  DescribeTargetGroupsCommand,
  DescribeTargetHealthCommand,
  ElasticLoadBalancingV2Client,
  RegisterTargetsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { callLogger } from './calls-made';
import { documented } from './documented';
import { target } from './target';
import { outcome, until } from './waiting';

let made: ElasticLoadBalancingV2Client | undefined;
const client = (): ElasticLoadBalancingV2Client => {
  const { region, credentials, profile, endpoints } = target().member.settings;
  made ??= new ElasticLoadBalancingV2Client({
    region,
    logger: callLogger,
    ...(credentials && { credentials }),
    ...(profile !== undefined && { profile }),
    ...(endpoints ? { endpoint: endpoints.aws, maxAttempts: 1 } : { maxAttempts: 8 }),
  });
  return made;
};

/** A running instance that is registered on port 8080 of a target group of its VPC. */
const registered = async () => {
  const { member, resources, imageId } = target();
  const { InstanceId, VpcId } = await resources.instance(member, { ImageId: await imageId() });
  const { TargetGroups } = await client().send(
    new CreateTargetGroupCommand({ Name: resources.name().slice(-32), Protocol: 'HTTP', Port: 80, VpcId }),
  );
  const TargetGroupArn = TargetGroups![0]!.TargetGroupArn!;
  resources.later(`target group ${TargetGroupArn}`, () =>
    client().send(new DeleteTargetGroupCommand({ TargetGroupArn })),
  );
  const Targets = [{ Id: InstanceId!, Port: 8080 }];
  await client().send(new RegisterTargetsCommand({ TargetGroupArn, Targets }));
  return { TargetGroupArn, Targets, VpcId: VpcId! };
};
const health = async (TargetGroupArn: string, Targets?: { Id: string; Port: number }[]) =>
  (await client().send(new DescribeTargetHealthCommand({ TargetGroupArn, Targets }))).TargetHealthDescriptions!;

describe('Elastic Load Balancing', () => {
  afterAll(() => made?.destroy());

  documented(
    'Elastic Load Balancing API Reference: DescribeTargetGroups',
    'without names it describes all target groups, with the VPC of each',
    async () => {
      const { TargetGroupArn, VpcId } = await registered();
      const found = await client().send(new DescribeTargetGroupsCommand({}));
      expect(found.TargetGroups!.find((one) => one.TargetGroupArn === TargetGroupArn)).toMatchObject({ VpcId });
    },
  );

  documented(
    'Elastic Load Balancing API Reference: DescribeTargetHealth',
    'names each registered target with its port; one that is not registered is unused, with the reason',
    async () => {
      const { TargetGroupArn, Targets } = await registered();
      expect((await health(TargetGroupArn)).map(({ Target }) => Target)).toMatchObject(Targets);
      const [absent] = await health(TargetGroupArn, [{ Id: 'i-0123456789abcdef0', Port: 80 }]).catch(() => []);
      if (absent) expect(absent.TargetHealth).toMatchObject({ State: 'unused', Reason: 'Target.NotRegistered' });
    },
  );

  documented(
    'Elastic Load Balancing API Reference: RegisterTargets',
    'registers the specified targets; registering one again is no error',
    async () => {
      const { TargetGroupArn, Targets } = await registered();
      expect(await outcome(client().send(new RegisterTargetsCommand({ TargetGroupArn, Targets })))).toBe('accepted');
      expect(await health(TargetGroupArn)).toHaveLength(1);
    },
  );

  documented(
    'Elastic Load Balancing API Reference: DeregisterTargets',
    'after the targets are deregistered, they no longer receive traffic from the load balancer; they drain first',
    async () => {
      const { TargetGroupArn, Targets } = await registered();
      await client().send(new DeregisterTargetsCommand({ TargetGroupArn, Targets }));
      await until(
        'the target to leave',
        async () => (await health(TargetGroupArn))[0]?.TargetHealth?.State,
        (state) => state === undefined || state === 'draining' || state === 'unused',
      );
    },
  );
});
