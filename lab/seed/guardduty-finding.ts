import { randomUUID } from 'node:crypto';
import { LAB_ACCOUNTS, LAB_REGION } from '../config';

/** Shaped as GuardDuty publishes it; addresses are of the ranges kept for documentation (RFC 5737). */
export function guardDutyEvent(instanceId: string, findingId: string = randomUUID().replaceAll('-', '')): object {
  const now = new Date().toISOString();
  return {
    version: '0',
    id: randomUUID(),
    'detail-type': 'GuardDuty Finding',
    source: 'aws.guardduty',
    account: LAB_ACCOUNTS.member,
    time: now,
    region: LAB_REGION,
    resources: [],
    detail: {
      schemaVersion: '2.0',
      accountId: LAB_ACCOUNTS.member,
      region: LAB_REGION,
      partition: 'aws',
      id: findingId,
      arn: `arn:aws:guardduty:${LAB_REGION}:${LAB_ACCOUNTS.member}:detector/lab/finding/${findingId}`,
      type: 'Backdoor:EC2/C&CActivity.B',
      resource: {
        resourceType: 'Instance',
        instanceDetails: { instanceId, instanceType: 't3.nano', imageId: 'ami-lab' },
      },
      service: {
        serviceName: 'guardduty',
        action: {
          actionType: 'NETWORK_CONNECTION',
          networkConnectionAction: { remoteIpDetails: { ipAddressV4: '203.0.113.66' } },
        },
        count: 3,
      },
      severity: 8,
      createdAt: now,
      updatedAt: now,
      title: `The EC2 instance ${instanceId} is communicating with a known command and control server.`,
      description: `EC2 instance ${instanceId} communicated with 203.0.113.66, which is associated with a command and control server.`,
    },
  };
}
