import { UploadPartCommand } from '@aws-sdk/client-s3';
import { completeUpload, openUpload } from '../../activities/memory-upload';
import { type CommandLab, startCommandLab } from './command-lab';

let lab: CommandLab;
beforeAll(async () => {
  lab = await startCommandLab();
});
afterAll(() => lab.stop());

test('an upload whose closing was carried out and its answer lost is closed: the object tells', async () => {
  const { s3 } = lab.clients.forensics();
  const bucket = lab.config.buckets.staging;
  const key = 'lost-answer/memory.lime';
  const upload = { bucket, key, uploadId: await openUpload(s3, bucket, key) };
  await s3.send(
    new UploadPartCommand({ Bucket: bucket, Key: key, UploadId: upload.uploadId, PartNumber: 1, Body: 'memory' }),
  );
  // The SDK asks again by itself, and S3 no longer knows the upload.
  await lab.aws.lab.setFaults([
    { service: 's3', action: 'CompleteMultipartUpload', code: 'InternalError', when: 'after' },
  ]);
  expect(await completeUpload(s3, upload)).toMatchObject({ object: { key, sizeBytes: 6 }, parts: 1 });
  expect(await lab.aws.lab.faults()).toMatchObject([{ times: 0 }]);
});
