import type { ContainmentMode } from '../domain/containment';

/**
 * What each member role may do: one purpose, one role. Containment cannot read evidence, acquisition cannot contain,
 * triage changes nothing. Resource scopes that AWS offers for an action are used; where AWS offers none it stands as `*`.
 * Source of actions and scopes: Service Authorization Reference. Tried in the lab, which enforces them; not yet on AWS.
 */
export interface PolicyDocument {
  Version: '2012-10-17';
  Statement: {
    Sid?: string;
    Effect: 'Allow' | 'Deny';
    Action: string[];
    Resource: string[];
    Condition?: Record<string, Record<string, string | string[]>>;
  }[];
}

export const policy = (...Statement: PolicyDocument['Statement']): PolicyDocument => ({
  Version: '2012-10-17',
  Statement,
});

export interface PolicyScope {
  memberAccountId: string;
  forensicsAccountId: string;
  region: string;
}

export const triagePolicy = (_scope: PolicyScope): PolicyDocument =>
  policy({
    Effect: 'Allow',
    Action: [
      'ec2:DescribeInstances',
      'ec2:DescribeInstanceAttribute',
      'ec2:DescribeInstanceTypes',
      'ec2:DescribeVolumes',
      'ec2:DescribeNetworkInterfaces',
      // Who else has the role, is in the group, gets the traffic: what the approver of a containment is told.
      'ec2:DescribeIamInstanceProfileAssociations',
      'iam:GetInstanceProfile',
      'iam:ListInstanceProfilesForRole',
      'autoscaling:DescribeAutoScalingGroups',
      'autoscaling:DescribeAutoScalingInstances',
      'elasticloadbalancing:DescribeTargetGroups',
      'elasticloadbalancing:DescribeTargetHealth',
      'kms:DescribeKey',
      'ssm:DescribeInstanceInformation',
    ],
    Resource: ['*'],
  });

export const acquirePolicy = ({ memberAccountId, forensicsAccountId, region }: PolicyScope): PolicyDocument =>
  policy(
    {
      Sid: 'Look',
      Effect: 'Allow',
      Action: [
        'ec2:DescribeInstances',
        'ec2:DescribeInstanceAttribute',
        'ec2:DescribeSnapshots',
        'ec2:DescribeLockedSnapshots',
        'ec2:DescribeVolumes',
        'kms:DescribeKey',
        'ssm:DescribeInstanceInformation',
        'ssm:ListCommands',
        'ssm:GetCommandInvocation',
      ],
      Resource: ['*'],
    },
    {
      Sid: 'Protect',
      Effect: 'Allow',
      Action: ['ec2:ModifyInstanceAttribute'],
      Resource: [
        `arn:aws:ec2:${region}:${memberAccountId}:instance/*`,
        `arn:aws:ec2:${region}:${memberAccountId}:volume/*`,
      ],
      // This action also changes security groups and user data; protection needs none of that. AWS's own examples write
      // the attribute as its parameter is called; others begin it with a small letter.
      Condition: {
        StringEqualsIgnoreCase: {
          'ec2:Attribute': [
            'DisableApiTermination',
            'DisableApiStop',
            'InstanceInitiatedShutdownBehavior',
            'BlockDeviceMapping',
          ],
        },
      },
    },
    {
      Sid: 'ProtectFromAutoScaling',
      Effect: 'Allow',
      Action: [
        'autoscaling:DescribeAutoScalingInstances',
        'autoscaling:SetInstanceProtection',
        'autoscaling:EnterStandby',
        'autoscaling:ExitStandby',
      ],
      Resource: ['*'],
    },
    {
      Sid: 'Snapshot',
      Effect: 'Allow',
      Action: [
        'ec2:CreateSnapshots',
        // A volume that was detached meanwhile is no part of CreateSnapshots.
        'ec2:CreateSnapshot',
        'ec2:CopySnapshot',
        'ec2:CreateTags',
        'ec2:LockSnapshot',
      ],
      Resource: [
        `arn:aws:ec2:${region}::snapshot/*`,
        `arn:aws:ec2:${region}:${memberAccountId}:volume/*`,
        `arn:aws:ec2:${region}:${memberAccountId}:instance/*`,
      ],
    },
    {
      // A release takes the case's own tag off again, and no other one.
      Sid: 'TakeTheTagOff',
      Effect: 'Allow',
      Action: ['ec2:DeleteTags'],
      Resource: [
        `arn:aws:ec2:${region}:${memberAccountId}:volume/*`,
        `arn:aws:ec2:${region}:${memberAccountId}:instance/*`,
      ],
      Condition: { 'ForAllValues:StringEquals': { 'aws:TagKeys': ['forensics:case'] } },
    },
    // Evidence is shared with the forensics account and with nobody else, least of all with everybody.
    ...(['Add', 'Remove'] as const).map((change) => ({
      Sid: `Share${change}`,
      Effect: 'Allow' as const,
      Action: ['ec2:ModifySnapshotAttribute'],
      Resource: [`arn:aws:ec2:${region}::snapshot/*`],
      Condition: { StringEquals: { [`ec2:${change}/userId`]: forensicsAccountId } },
    })),
    {
      Sid: 'ReadBlocks',
      Effect: 'Allow',
      Action: ['ebs:ListSnapshotBlocks', 'ebs:GetSnapshotBlock'],
      Resource: [`arn:aws:ec2:${region}::snapshot/*`],
    },
    {
      Sid: 'UseKeysThroughEbs',
      Effect: 'Allow',
      Action: ['kms:Decrypt', 'kms:GenerateDataKeyWithoutPlaintext', 'kms:ReEncryptFrom', 'kms:ReEncryptTo'],
      Resource: [`arn:aws:kms:${region}:${memberAccountId}:key/*`],
    },
    {
      // EBS takes a grant of its own to read and write a disk later; no other grant is the role's to give.
      Sid: 'LetEbsUseKeys',
      Effect: 'Allow',
      Action: ['kms:CreateGrant'],
      Resource: [`arn:aws:kms:${region}:${memberAccountId}:key/*`],
      Condition: { Bool: { 'kms:GrantIsForAWSResource': 'true' } },
    },
    {
      Sid: 'CommandTheSuspect',
      Effect: 'Allow',
      Action: ['ssm:SendCommand'],
      Resource: [
        `arn:aws:ssm:${region}:${forensicsAccountId}:document/Forensics-*`,
        `arn:aws:ec2:${region}:${memberAccountId}:instance/*`,
      ],
    },
    { Sid: 'StopCommands', Effect: 'Allow', Action: ['ssm:CancelCommand'], Resource: ['*'] },
  );

export const containPolicy = ({ memberAccountId, region }: PolicyScope): PolicyDocument =>
  policy(
    {
      Sid: 'Look',
      Effect: 'Allow',
      Action: [
        'ec2:DescribeAddresses',
        'ec2:DescribeIamInstanceProfileAssociations',
        'ec2:DescribeInstanceAttribute',
        'ec2:DescribeInstances',
        'ec2:DescribeNetworkAcls',
        'ec2:DescribeNetworkInterfaces',
        'ec2:DescribeSecurityGroups',
        'ec2:DescribeVpcs',
        'elasticloadbalancing:DescribeTargetHealth',
        'iam:GetInstanceProfile',
        'iam:GetRolePolicy',
      ],
      Resource: ['*'],
    },
    {
      Sid: 'Isolate',
      Effect: 'Allow',
      Action: [
        'ec2:DisassociateAddress',
        'ec2:UnassignIpv6Addresses',
        // A release gives back.
        'ec2:AssociateAddress',
        'ec2:AssignIpv6Addresses',
        'ec2:ModifyNetworkInterfaceAttribute',
        'ec2:CreateSecurityGroup',
        'ec2:CreateTags',
        'ec2:AuthorizeSecurityGroupIngress',
        'ec2:AuthorizeSecurityGroupEgress',
        'ec2:RevokeSecurityGroupIngress',
        'ec2:RevokeSecurityGroupEgress',
      ],
      Resource: [
        `arn:aws:ec2:${region}:${memberAccountId}:elastic-ip/*`,
        `arn:aws:ec2:${region}:${memberAccountId}:instance/*`,
        `arn:aws:ec2:${region}:${memberAccountId}:network-interface/*`,
        `arn:aws:ec2:${region}:${memberAccountId}:security-group/*`,
        `arn:aws:ec2:${region}:${memberAccountId}:vpc/*`,
      ],
    },
    {
      Sid: 'CutOffTheSubnet',
      Effect: 'Allow',
      Action: [
        'ec2:CreateNetworkAcl',
        'ec2:CreateNetworkAclEntry',
        'ec2:DeleteNetworkAcl',
        'ec2:ReplaceNetworkAclAssociation',
        'ec2:CreateTags',
      ],
      Resource: [
        `arn:aws:ec2:${region}:${memberAccountId}:network-acl/*`,
        `arn:aws:ec2:${region}:${memberAccountId}:subnet/*`,
        `arn:aws:ec2:${region}:${memberAccountId}:vpc/*`,
      ],
    },
    {
      Sid: 'ChangeTheInstance',
      Effect: 'Allow',
      Action: [
        'ec2:ModifyInstanceMetadataOptions',
        'ec2:ReplaceIamInstanceProfileAssociation',
        'ec2:StartInstances',
        'ec2:StopInstances',
      ],
      Resource: [`arn:aws:ec2:${region}:${memberAccountId}:instance/*`],
    },
    {
      // Protection forbids everybody to stop the instance; the layer that stops it lifts that for its one call.
      Sid: 'LiftStopProtection',
      Effect: 'Allow',
      Action: ['ec2:ModifyInstanceAttribute'],
      Resource: [`arn:aws:ec2:${region}:${memberAccountId}:instance/*`],
      Condition: { StringEqualsIgnoreCase: { 'ec2:Attribute': ['DisableApiStop'] } },
    },
    {
      Sid: 'LeaveTargetGroups',
      Effect: 'Allow',
      Action: ['elasticloadbalancing:DeregisterTargets', 'elasticloadbalancing:RegisterTargets'],
      Resource: [`arn:aws:elasticloadbalancing:${region}:${memberAccountId}:targetgroup/*`],
    },
    {
      // Any role: which one an instance had is known in the incident only, and a release gives it back. EC2 alone gets it.
      Sid: 'ExchangeTheProfile',
      Effect: 'Allow',
      Action: ['iam:PassRole'],
      Resource: [`arn:aws:iam::${memberAccountId}:role/*`],
      Condition: { StringEquals: { 'iam:PassedToService': 'ec2.amazonaws.com' } },
    },
    {
      Sid: 'RevokeSessions',
      Effect: 'Allow',
      Action: ['iam:PutRolePolicy', 'iam:DeleteRolePolicy'],
      Resource: [`arn:aws:iam::${memberAccountId}:role/*`],
    },
    {
      // IAM has no condition on what an inline policy says; the product's own roles are out of reach at least.
      Sid: 'NeverItself',
      Effect: 'Deny',
      Action: ['iam:PutRolePolicy', 'iam:DeleteRolePolicy'],
      Resource: [`arn:aws:iam::${memberAccountId}:role/Forensics*`],
    },
  );

/** What the role of an isolated instance may do: register its SSM agent and take commands, or nothing at all. */
export const isolatedInstancePolicy = (mode: ContainmentMode): PolicyDocument =>
  mode === 'full'
    ? policy({ Effect: 'Deny', Action: ['*'], Resource: ['*'] })
    : policy({
        // Source: Systems Manager User Guide, "Instance permissions"; the least of AmazonSSMManagedInstanceCore for Run Command.
        Effect: 'Allow',
        Action: [
          'ssm:UpdateInstanceInformation',
          'ssmmessages:CreateControlChannel',
          'ssmmessages:CreateDataChannel',
          'ssmmessages:OpenControlChannel',
          'ssmmessages:OpenDataChannel',
          'ec2messages:AcknowledgeMessage',
          'ec2messages:DeleteMessage',
          'ec2messages:FailMessage',
          'ec2messages:GetEndpoint',
          'ec2messages:GetMessages',
          'ec2messages:SendReply',
        ],
        Resource: ['*'],
      });

/** Trust policy of a role that instances have. */
export const INSTANCE_TRUST = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' }],
};

/** Who may assume a member role: the forensics account's worker, and only with the external id. */
export function trustPolicy(principalArn: string, externalId: string): object {
  return {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { AWS: principalArn },
        Action: 'sts:AssumeRole',
        Condition: { StringEquals: { 'sts:ExternalId': externalId } },
      },
    ],
  };
}

/** Policy of the member account's key for sharing: the forensics account may use it for snapshots, not administer it. */
export function sharingKeyPolicy({ memberAccountId, forensicsAccountId }: PolicyScope): object {
  const forensics = { AWS: `arn:aws:iam::${forensicsAccountId}:root` };
  return {
    Version: '2012-10-17',
    Statement: [
      {
        Sid: 'OwnAccount',
        Effect: 'Allow',
        Principal: { AWS: `arn:aws:iam::${memberAccountId}:root` },
        Action: 'kms:*',
        Resource: '*',
      },
      {
        Sid: 'ForensicsUses',
        Effect: 'Allow',
        Principal: forensics,
        Action: [
          'kms:DescribeKey',
          'kms:Decrypt',
          'kms:ReEncryptFrom',
          'kms:ReEncryptTo',
          'kms:GenerateDataKeyWithoutPlaintext',
        ],
        Resource: '*',
      },
      {
        Sid: 'ForensicsGrantsToEbs',
        Effect: 'Allow',
        Principal: forensics,
        Action: ['kms:CreateGrant'],
        Resource: '*',
        Condition: { Bool: { 'kms:GrantIsForAWSResource': 'true' } },
      },
    ],
  };
}
