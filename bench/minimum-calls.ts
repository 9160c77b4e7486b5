import { MEMORY_PLUGINS } from '../domain/findings-memory-plugins';
import type { CallMaker } from './aws-calls';

/** What the number of calls of a case depends on. */
export interface CaseShape {
  volumes: number;
  /** Volumes whose key cannot be shared, which are copied once more in the source account. */
  reencrypted: number;
  /** Distinct keys of the volumes. */
  keys: number;
  networkInterfaces: number;
  /** Written blocks of 512 KiB of one volume. */
  blocks: number;
  /** Parts of the memory image. */
  memoryParts: number;
}

export interface MinimumCalls {
  maker: CallMaker;
  service: string;
  action: string;
  calls: number;
  why: string;
}

/** Outputs of an examination that are kept, without its summary. */
const MEMORY_OUTPUTS = MEMORY_PLUGINS.length;
const DISK_OUTPUTS = 2;
const ROLES = 3;

/**
 * Counted by hand: what the process as DESIGN.md has it needs when nothing fails and each job is looked at once, after it
 * has ended. Every look for what an earlier attempt made (exactly once: no second snapshot, copy or command) is in it.
 */
export function minimumCalls(shape: CaseShape): MinimumCalls[] {
  const { volumes, reencrypted, keys, networkInterfaces, blocks, memoryParts } = shape;
  const exhibits = volumes + 1;
  const copies = volumes + reencrypted;
  const outputs = MEMORY_OUTPUTS + volumes * DISK_OUTPUTS;
  const worker: [service: string, action: string, calls: number, why: string][] = [
    ['sts', 'AssumeRole', ROLES, 'one session a purpose: triage, acquire, contain'],

    ['ec2', 'DescribeInstances', 1 + exhibits, 'triage; per forensic instance: terminated at the end'],
    ['ec2', 'DescribeVolumes', 1 + volumes, 'triage, all at once; per evidence volume: attached'],
    ['ec2', 'DescribeInstanceTypes', 1, 'size of the memory'],
    ['ec2', 'DescribeInstanceAttribute', 3, 'EC2 tells one attribute a call'],
    ['kms', 'DescribeKey', 2 * keys, 'each key as its owner sees it, and as the forensics account does'],
    ['ssm', 'DescribeInstanceInformation', 1 + exhibits, 'agent of the suspect; of each forensic instance'],
    ['ec2', 'ModifyInstanceAttribute', 4, 'EC2 sets one attribute a call; DeleteOnTermination of all devices is one'],
    ['ec2', 'CreateTags', 1, 'instance and volumes in one call'],

    ['ec2', 'CreateSnapshots', 1, 'all volumes at one instant'],
    ['ec2', 'CopySnapshot', copies, 'one a copy'],
    ['ec2', 'DescribeSnapshots', 1 + 2 * copies + volumes, 'look-up before each making; one look a job at its end'],
    ['ec2', 'ModifySnapshotAttribute', 2 * volumes, 'share, unshare'],
    ['ec2', 'LockSnapshot', 2 * volumes, 'source and copy'],
    ['ebs', 'ListSnapshotBlocks', 2 * volumes, 'one page of source and of copy'],
    ['ebs', 'GetSnapshotBlock', 2 * blocks * volumes, 'every written block of source and copy, to compare them'],

    ['ssm', 'ListCommands', 1 + exhibits, 'look-up before each SendCommand'],
    ['ssm', 'SendCommand', 1 + exhibits, 'memory; an examination an exhibit'],
    ['ssm', 'GetCommandInvocation', 1 + exhibits, 'one look a command at its end'],
    ['s3', 'ListMultipartUploads', 1, 'look-up before the upload is opened'],
    ['s3', 'CreateMultipartUpload', 1, 'the memory image'],
    ['s3', 'ListParts', 1, 'what arrived'],
    ['s3', 'CompleteMultipartUpload', 1, 'the memory image'],

    ['ec2', 'RunInstances', exhibits, 'one forensic instance an exhibit; its ClientToken makes a look-up needless'],
    ['ec2', 'CreateVolume', volumes, 'with ClientToken'],
    ['ec2', 'AttachVolume', volumes, 'one an evidence volume'],
    ['ec2', 'TerminateInstances', exhibits, 'exhibits end at different times'],
    ['ec2', 'DeleteVolume', volumes, 'one an evidence volume'],

    ['s3', 'GetObject', 1 + exhibits + outputs, 'memory image, summaries and outputs: each is hashed off the host'],
    ['s3', 'CopyObject', 1 + outputs, 'memory image and outputs into the evidence bucket'],
    ['s3', 'HeadObject', 1 + outputs + 2 * exhibits + 2 + volumes, 'look-up before each write-once object is written'],
    // Manifests: the memory command's and one an examination. Evidence: summary and findings an examination, report in two forms,
    // a list of blocks a disk.
    [
      's3',
      'PutObject',
      1 + exhibits + 2 * exhibits + 2 + volumes,
      'manifests; summaries, findings; outcome, report; lists of blocks',
    ],
    ['s3', 'DeleteObject', 1, 'the staged memory image'],

    ['ec2', 'DescribeVpcs', 1, 'address ranges of the endpoints'],
    ['ec2', 'DescribeSecurityGroups', 2, 'are both groups there; are their rules right'],
    ['ec2', 'CreateSecurityGroup', 2, 'isolation and untrack: the first case of this VPC'],
    ['ec2', 'RevokeSecurityGroupEgress', 1, 'default rule of the isolation group'],
    ['ec2', 'AuthorizeSecurityGroupEgress', 2, 'HTTPS to the VPC; IPv6 of the untrack group'],
    ['ec2', 'AuthorizeSecurityGroupIngress', 1, 'the untrack group'],
    ['ec2', 'DescribeNetworkInterfaces', 2, 'before and after, all interfaces at once'],
    ['ec2', 'ModifyNetworkInterfaceAttribute', 2 * networkInterfaces, 'untrack, isolate'],

    // Opened, triage, protection, asked, decided, contained, end of acquisition and of examination, closed; two an exhibit.
    ['dynamodb', 'TransactWriteItems', 9 + 2 * exhibits, 'one a case event, with the head of the case'],
    ['sns', 'Publish', 5, 'opened, asked, decided, contained, closed'],
  ];
  const documents: typeof worker = [
    ['s3', 'GetObject', 2 + 2 + volumes, 'manifest and tool; manifest and image; a manifest a disk'],
    ['s3', 'UploadPart', memoryParts, 'the memory image'],
    ['s3', 'PutObject', outputs + exhibits, 'outputs and summaries of the examinations'],
  ];
  const named =
    (maker: CallMaker) =>
    ([service, action, calls, why]: (typeof worker)[number]) => ({
      maker,
      service,
      action,
      calls,
      why,
    });
  return [...worker.map(named('worker')), ...documents.map(named('documents'))].filter(({ calls }) => calls > 0);
}
