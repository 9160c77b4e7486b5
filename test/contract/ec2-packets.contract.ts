import {
  AuthorizeSecurityGroupEgressCommand,
  ModifyNetworkInterfaceAttributeCommand,
  RevokeSecurityGroupEgressCommand,
} from '@aws-sdk/client-ec2';
import { GetCommandInvocationCommand, SendCommandCommand } from '@aws-sdk/client-ssm';
import { documented } from './documented';
import { target } from './target';
import { until, untilAccepted } from './waiting';

/** Runs a line on the Linux instance; what it wrote. */
const output = async (line: string): Promise<string> => {
  const { member, resources, linuxInstance } = target();
  const InstanceId = await linuxInstance();
  const DocumentName = await resources.document(member, {
    schemaVersion: '2.2',
    description: 'contract test',
    mainSteps: [{ action: 'aws:runShellScript', name: 'run', inputs: { runCommand: ['#!/bin/bash', line] } }],
  });
  const { Command } = await member.ssm.send(new SendCommandCommand({ DocumentName, InstanceIds: [InstanceId] }));
  const query = new GetCommandInvocationCommand({ CommandId: Command!.CommandId, InstanceId });
  const ended = await until(
    `${line} to end`,
    () => untilAccepted(() => member.ssm.send(query)),
    ({ Status }) => !['Pending', 'InProgress', 'Delayed'].includes(Status!),
  );
  return ended.StandardOutputContent!.trim();
};

const connection = (): Promise<string> => {
  const { host, port } = target().outside;
  return output(`if timeout 5 bash -c 'exec 3<>/dev/tcp/${host}/${port}'; then echo open; else echo closed; fi`);
};

describe('security groups and packets', () => {
  documented(
    'Amazon VPC User Guide: Security groups',
    'a security group controls the traffic that is allowed to leave the resources it is associated with: what no outbound rule allows does not',
    async () => {
      const { member, resources, linuxInstance, filtersPackets } = target();
      const { VpcId, NetworkInterfaces } = await resources.describedInstance(member, await linuxInstance());
      const { NetworkInterfaceId, Groups } = NetworkInterfaces![0]!;
      const set = (ids: string[]) =>
        member.ec2.send(new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId, Groups: ids }));
      const GroupId = await resources.securityGroup(member, VpcId!);
      const everything = { IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] };
      const https = { IpProtocol: 'tcp', FromPort: 443, ToPort: 443, IpRanges: [{ CidrIp: '0.0.0.0/0' }] };
      await member.ec2.send(new AuthorizeSecurityGroupEgressCommand({ GroupId, IpPermissions: [https] }));
      try {
        await set([GroupId]);
        await until('the way to be open', connection, (state) => state === 'open');
        // TCP 443 stays open: it is how the agent reaches Systems Manager.
        await member.ec2.send(new RevokeSecurityGroupEgressCommand({ GroupId, IpPermissions: [everything] }));
        if (filtersPackets) await until('the way to be closed', connection, (state) => state === 'closed');
        else expect(await connection()).toBe('open');
      } finally {
        await set(Groups!.map((group) => group.GroupId!));
      }
    },
  );
});
