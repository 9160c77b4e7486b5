import { gunzipSync } from 'node:zlib';
import { ApplicationFailure } from '@temporalio/common';
import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { KernelDescription } from '../domain/memory-image';
import { awsStep } from './aws/errors';
import type { CopySource } from './evidence-copy';

/** What the document collects beside a memory image: a tar of version, iomem, modules, cmdline, kallsyms and btf. */
export const KERNEL_FACTS = 'kernel-facts.tar.gz';

/** It comes from the suspect, so it may be anything. Symbols and types of a kernel are some 20 MB, packed 5. */
const LARGEST_PACKED = 64 * 1024 ** 2;
const LARGEST_UNPACKED = 256 * 1024 ** 2;

const TAR_BLOCK = 512;
const ZERO_BLOCK = Buffer.alloc(TAR_BLOCK);

export interface KernelFacts extends KernelDescription {
  /** The members of the archive. */
  files: { name: string; sizeBytes: number }[];
}

/** Reads the staged archive whole. */
export async function fetchKernelFacts(s3: S3Client, source: CopySource): Promise<Buffer> {
  if (source.sizeBytes > LARGEST_PACKED) {
    throw ApplicationFailure.nonRetryable(
      `${KERNEL_FACTS} has ${source.sizeBytes} bytes; more than ${LARGEST_PACKED} are not read`,
      'EvidenceUnusable',
    );
  }
  return awsStep(`reading s3://${source.bucket}/${source.key}`, async (options) => {
    const { Body: body } = await s3.send(
      new GetObjectCommand({ Bucket: source.bucket, Key: source.key, IfMatch: source.etag }),
      options,
    );
    if (!body) throw new Error('S3 answered without a body');
    return Buffer.from(await body.transformToByteArray());
  });
}

/**
 * Unpacks the archive (gzip; POSIX.1-1988 tar: a header block of name, size in octal and type, then the bytes in blocks).
 * @throws Error when it is none
 */
export function readKernelFacts(archive: Buffer): KernelFacts {
  const tar = gunzipSync(archive, { maxOutputLength: LARGEST_UNPACKED });
  const files: KernelFacts['files'] = [];
  const texts: KernelDescription = {};
  for (let at = 0; at + TAR_BLOCK <= tar.length;) {
    const header = tar.subarray(at, at + TAR_BLOCK);
    if (header.equals(ZERO_BLOCK)) break;
    const text = (from: number, to: number): string => header.toString('latin1', from, to).replace(/[\0 ].*$/s, '');
    const name = text(0, 100).replace(/^\.\//, '');
    const size = /^[0-7]{1,11}$/.exec(text(124, 136))?.[0];
    if (size === undefined) throw new Error(`a member of the archive has no size that can be read`);
    const sizeBytes = parseInt(size, 8);
    const content = tar.subarray(at + TAR_BLOCK, at + TAR_BLOCK + sizeBytes);
    if (content.length < sizeBytes) throw new Error(`member ${name} of the archive is cut short`);
    const isFile = ['', '0'].includes(text(156, 157));
    if (isFile && /^[a-z]{1,20}$/.test(name)) {
      files.push({ name, sizeBytes });
      if (name === 'version' || name === 'iomem') texts[name] = content.toString('latin1');
    }
    at += TAR_BLOCK + Math.ceil(sizeBytes / TAR_BLOCK) * TAR_BLOCK;
  }
  return { files: files.sort((a, b) => a.name.localeCompare(b.name)), ...texts };
}
