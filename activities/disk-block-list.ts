import { createReadStream } from 'node:fs';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { ApplicationFailure } from '@temporalio/common';
import {
  type BlockDigest,
  blockOfLine,
  BlockTree,
  lineOfBlock,
  ZERO_BLOCK_SHA256,
} from '../domain/custody/block-digests';
import { awsCode, awsStep } from './aws/errors';
import type { EvidenceStore, StoredEvidence } from './evidence-store';

/** How far a list has come that another attempt can go on with. */
export interface ListedRanges {
  /** Files in the staging bucket that hold it. */
  ranges: number;
  /** Blocks of the device that it speaks of. */
  position: number;
  /** Merkle root of these: a staged file that was altered since does not lead to it. */
  merkleRoot: string;
}

/**
 * The list of a disk's blocks as it grows: range by range in a local file, for the evidence store, and in the staging bucket,
 * for a later attempt on another worker. Memory holds the range that is being read; the file has 74 bytes a block, 1/7,000 of
 * what is written on the disk.
 */
export class DiskBlockList {
  private tree = new BlockTree();
  private range: string[] = [];
  private ranges = 0;

  private constructor(
    private readonly s3: S3Client,
    /** Where the ranges are staged. */
    private readonly staging: { bucket: string; prefix: string },
    private readonly folder: string,
  ) {}

  static async create(s3: S3Client, staging: { bucket: string; prefix: string }): Promise<DiskBlockList> {
    return new DiskBlockList(s3, staging, await mkdtemp(path.join(os.tmpdir(), 'disk-blocks-')));
  }

  private get file(): string {
    return path.join(this.folder, 'blocks.txt');
  }

  /** The next block, in the order of the device; blocks of zeros are holes to the list. */
  add(block: BlockDigest): void {
    if (block.sha256 === ZERO_BLOCK_SHA256) return;
    this.tree.add(block);
    this.range.push(lineOfBlock(block));
  }

  /** Puts what was added since the last range where a later attempt finds it. `position`: blocks that have been read. */
  async finishRange(position: number): Promise<ListedRanges> {
    const text = this.range.join('');
    this.range = [];
    await appendFile(this.file, text);
    this.ranges += 1;
    const Key = this.keyOf(this.ranges);
    await awsStep(`writing s3://${this.staging.bucket}/${Key}`, (options) =>
      this.s3.send(
        new PutObjectCommand({ Bucket: this.staging.bucket, Key, Body: text, ContentType: 'text/plain' }),
        options,
      ),
    );
    return { ranges: this.ranges, position, merkleRoot: this.tree.root(position) };
  }

  /**
   * Fetches what an earlier attempt has listed. False when it is not all there, or not what was listed: then the list is empty,
   * and the disk is read from its beginning.
   */
  async restore(listed: ListedRanges): Promise<boolean> {
    try {
      for (let number = 1; number <= listed.ranges; number += 1) {
        const text = await this.fetch(this.keyOf(number));
        for (const line of text.split('\n').slice(0, -1)) this.tree.add(blockOfLine(line));
        await appendFile(this.file, text);
      }
      if (this.tree.root(listed.position) === listed.merkleRoot) {
        this.ranges = listed.ranges;
        return true;
      }
    } catch (error) {
      const broken = error instanceof SyntaxError || error instanceof RangeError || isAbsent(error);
      if (!broken) throw error;
    }
    this.tree = new BlockTree();
    await rm(this.file, { force: true });
    return false;
  }

  /** The blocks of the finished ranges. */
  async *blocks(): AsyncGenerator<BlockDigest, void, void> {
    await appendFile(this.file, '');
    const input = createReadStream(this.file);
    try {
      for await (const line of createInterface({ input, crlfDelay: Infinity })) yield blockOfLine(line);
    } finally {
      input.destroy();
    }
  }

  /** Writes the whole list once into the evidence bucket. @param count blocks of the device */
  async keep(
    store: EvidenceStore,
    key: string,
    count: number,
    retentionDays: number,
  ): Promise<{ merkleRoot: string; list: StoredEvidence }> {
    await appendFile(this.file, this.range.join(''));
    this.range = [];
    const list = await store.putEvidence({ key, body: { file: this.file }, contentType: 'text/plain', retentionDays });
    return { merkleRoot: this.tree.root(count), list };
  }

  /** Takes the local file away; what is staged expires by the bucket's own rule. */
  async end(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  private keyOf(range: number): string {
    return `${this.staging.prefix}/blocks/${String(range).padStart(6, '0')}.txt`;
  }

  private async fetch(Key: string): Promise<string> {
    const { bucket: Bucket } = this.staging;
    return awsStep(`reading s3://${Bucket}/${Key}`, async (options) => {
      const answer = await this.s3.send(new GetObjectCommand({ Bucket, Key }), options);
      return (await answer.Body?.transformToString()) ?? '';
    });
  }
}

const isAbsent = (error: unknown): boolean => error instanceof ApplicationFailure && awsCode(error) === 'NoSuchKey';
