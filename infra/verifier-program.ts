import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { build } from 'esbuild';
import type { ForensicsConfig } from '../activities/config';

/** The verifier as one CommonJS file that needs nothing but `node`: the same code that `forensics verify` runs. */
export async function buildVerifier(): Promise<Buffer> {
  const source = path.join(__dirname, '../starters/verify/main');
  const built = await build({
    entryPoints: [existsSync(`${source}.ts`) ? `${source}.ts` : `${source}.js`],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    banner: { js: '#!/usr/bin/env node' },
    // The licences of the two libraries in it (MIT, Apache-2.0) ask to go with it.
    legalComments: 'inline',
    logLevel: 'warning',
  });
  return Buffer.from(built.outputFiles[0]?.contents ?? []);
}

/** Puts the verifier into the tools bucket under a name of its content; sealing takes it from there. Idempotent. */
export async function publishVerifier(s3: S3Client, bucket: string): Promise<ForensicsConfig['verifier']> {
  const program = await buildVerifier();
  const sha256 = createHash('sha256').update(program).digest('hex');
  const key = `verifier/verify-${sha256.slice(0, 16)}.cjs`;
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: program, ContentType: 'text/javascript' }));
  return { key, sha256 };
}
