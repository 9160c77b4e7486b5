import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { RegisterImageCommand } from '@aws-sdk/client-ec2';
import { EmulatorClient, type InstanceKind } from '../../lab/aws/emulator-client';
import { LAB_ACCOUNTS, LAB_REGION, labConfig } from '../../lab/config';
import { startLab } from '../../lab/daemon';
import { BEACON_ADDRESS } from '../../lab/network/internet';
import { administratorOf } from '../../lab/seed/account-clients';
import { freePort } from '../lab/aws/emulated-aws';
import { Account } from './account';
import { Resources } from './resources';
import type { ContractTarget } from './contract-target';
import { untilManaged } from './managed-node';

/** A lab of its own, with policies enforced, and an administrator in each of its accounts. */
export async function labTarget(): Promise<ContractTarget> {
  const folder = await mkdtemp(path.join(tmpdir(), 'contract-'));
  const lab = await startLab(
    labConfig({
      ...process.env,
      LAB_AWS_PORT: String(await freePort()),
      LAB_SSM_PORT: String(await freePort()),
      LAB_STATE: path.join(folder, 'state'),
      LAB_SNAPSHOT_SECONDS: '0.3',
      LAB_COPY_SECONDS: '0.3',
      // No workflow runs here: an address is named so that no Temporal server is started.
      LAB_TEMPORAL_ADDRESS: 'none:0',
    }),
    { forensicTools: false },
  );
  const { aws, ssm } = lab.status();
  const endpoints = { aws, ssm };
  const account = async (accountId: string): Promise<Account> => {
    const administrator = await administratorOf(accountId, endpoints);
    const credentials = await administrator.ec2.config.credentials();
    return new Account(accountId, { region: LAB_REGION, endpoints, credentials });
  };
  const [member, forensics] = [await account(LAB_ACCOUNTS.member), await account(LAB_ACCOUNTS.forensics)];
  await new EmulatorClient(aws).enforceIam(true);

  const image = async (kind: InstanceKind): Promise<string> => {
    const { ImageId } = await member.ec2.send(
      new RegisterImageCommand({
        Name: `contract-${kind}`,
        Architecture: 'x86_64',
        RootDeviceName: '/dev/xvda',
        VirtualizationType: 'hvm',
        BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 1 } }],
        TagSpecifications: [{ ResourceType: 'image', Tags: [{ Key: 'lab:kind', Value: kind }] }],
      }),
    );
    return ImageId!;
  };
  const hold = async (...kinds: string[]): Promise<void> => {
    const answer = await fetch(`${aws}/moto-api/lab/holds`, { method: 'PUT', body: JSON.stringify(kinds) });
    if (!answer.ok) throw new Error(`the lab cannot hold ${kinds.join(', ')}: ${await answer.text()}`);
  };
  const resources = new Resources({ pollMs: 100, disposable: true });
  // Only the agent's instance needs something that runs.
  let paper: Promise<string> | undefined;
  let linux: Promise<string> | undefined;
  const startLinux = async (): Promise<string> => {
    const instance = await resources.instance(member, { ImageId: await image('sandbox') });
    resources.keepInstance(instance.InstanceId!);
    await untilManaged(member, instance.InstanceId!);
    return instance.InstanceId!;
  };
  return {
    region: LAB_REGION,
    zones: [`${LAB_REGION}a`, `${LAB_REGION}b`],
    member,
    forensics,
    resources,
    imageId: () => (paper ??= image('paper')),
    linuxInstance: () => (linux ??= startLinux()),
    outside: { host: BEACON_ADDRESS, port: 80 },
    filtersPackets: lab.status().mode.network,
    whilePending: async (kind, run) => {
      await hold(kind);
      try {
        return await run();
      } finally {
        await hold();
      }
    },
    stop: async () => {
      try {
        await resources.drop();
      } finally {
        member.close();
        forensics.close();
        await lab.stop();
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}
