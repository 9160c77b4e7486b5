/**
 * What AWS documents and the product builds on, asked with the AWS SDK: of the lab, or with LAB=aws of two accounts of
 * AWS (docs/contract-tests.md). One target serves all parts.
 */
import './auto-scaling.contract';
import './containment.contract';
import './dynamodb.contract';
import './ebs-direct.contract';
import './ec2-addresses.contract';
import './ec2-instances.contract';
import './ec2-network.contract';
import './ec2-packets.contract';
import './ec2-sharing.contract';
import './ec2-snapshot-locks.contract';
import './ec2-snapshots.contract';
import './ec2-volumes.contract';
import './iam.contract';
import './kms.contract';
import './load-balancing.contract';
import './s3-multipart.contract';
import './s3-object-lock.contract';
import './s3-objects.contract';
import './s3-sharing.contract';
import './sns.contract';
import './ssm-documents.contract';
import './ssm-run-command.contract';
import './sts.contract';
import { startTarget, stopTarget } from './target';

beforeAll(startTarget, 300_000);
// On AWS the deletion waits for instances to end and for retention of a few minutes to pass.
afterAll(stopTarget, 3_600_000);
