import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';

type Stream = 'stdout' | 'stderr';

/** The whole output of one step in two files, as amazon-ssm-agent keeps it, to be uploaded afterwards. */
export class StepOutput {
  private constructor(
    private readonly folder: string,
    private readonly files: Record<Stream, WriteStream>,
  ) {}

  static async create(folder: string): Promise<StepOutput> {
    await mkdir(folder, { recursive: true });
    const file = (stream: Stream): WriteStream => createWriteStream(path.join(folder, stream));
    return new StepOutput(folder, { stdout: file('stdout'), stderr: file('stderr') });
  }

  write(stream: Stream, chunk: Buffer): void {
    this.files[stream].write(chunk);
  }

  /** @returns the files, closed. @throws Error if they could not be written. */
  async close(): Promise<Record<Stream, string>> {
    await Promise.all(Object.values(this.files).map(closed));
    return { stdout: path.join(this.folder, 'stdout'), stderr: path.join(this.folder, 'stderr') };
  }
}

function closed(file: WriteStream): Promise<void> {
  return new Promise((resolve, reject) => {
    file.on('error', reject);
    file.end(resolve);
  });
}
