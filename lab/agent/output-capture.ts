/** amazon-ssm-agent 3.3 keeps this many characters of stdout and of stderr (recorded answer bigOut). */
const MOST_CHARACTERS = 24_000;
/** A UTF-8 character has at most four bytes. */
const MOST_BYTES = MOST_CHARACTERS * 4;

/** The beginning of a stream; the rest is dropped, not buffered. */
export class OutputCapture {
  private readonly chunks: Buffer[] = [];
  private size = 0;

  add(chunk: Buffer): void {
    if (this.size >= MOST_BYTES) return;
    this.chunks.push(chunk.subarray(0, MOST_BYTES - this.size));
    this.size += chunk.length;
  }

  text(): string {
    return Buffer.concat(this.chunks).toString('utf8').slice(0, MOST_CHARACTERS);
  }
}
