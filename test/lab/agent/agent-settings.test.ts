import { agentEnvironment, agentSettings } from '../../../lab/instances/agent-settings';
import type { EmulatedInstance } from '../../../lab/instances/emulated-instance';
import type { InstanceContext } from '../../../lab/instances/instance-runner';

function instance(tag?: string): EmulatedInstance {
  return {
    accountId: '111122223333',
    region: 'us-east-1',
    instanceId: 'i-0123456789abcdef0',
    state: 'running',
    imageId: 'ami-1',
    kind: 'sandbox',
    tags: tag === undefined ? {} : { 'lab:agent': tag },
    instanceType: 't3.micro',
    availabilityZone: 'us-east-1a',
    volumes: [],
    networkInterfaces: [],
  };
}

const CONTEXT: InstanceContext = {
  awsUrl: 'http://127.0.0.1:1',
  ssmUrl: 'http://127.0.0.1:2',
  stateFolder: '/s',
  instanceFolder: '/s/i',
  cacheFolder: '/c',
  agentFile: '/a.js',
  log: () => undefined,
};

describe('the tag lab:agent', () => {
  test.each([
    [undefined, { runs: true, delaySeconds: 0, replyDelayMilliseconds: 0 }],
    ['none', { runs: false }],
    ['late:2.5', { runs: true, delaySeconds: 2.5 }],
    ['slow:250', { runs: true, replyDelayMilliseconds: 250 }],
  ])('%s', (tag, settings) => {
    expect(agentSettings(instance(tag))).toMatchObject(settings);
  });

  test('anything else is refused', () => {
    expect(() => agentSettings(instance('fast'))).toThrow('lab:agent="fast"');
  });

  test('a slow agent is told how slow', () => {
    expect(agentEnvironment(instance('slow:250'), CONTEXT)).toMatchObject({ LAB_AGENT_REPLY_DELAY_MS: '250' });
    expect(agentEnvironment(instance(), CONTEXT)).not.toHaveProperty('LAB_AGENT_REPLY_DELAY_MS');
  });
});
