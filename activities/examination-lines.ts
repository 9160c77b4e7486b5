/** A line may be as long as a page of text, not as long as a disk. */
const LONGEST_LINE = 1024 ** 2;

/**
 * Cuts bytes into lines and hands each over as parsed JSON; what is no JSON, or too long, is handed over as undefined and
 * counted, so that line numbers stay right. Memory is bounded by the longest line.
 */
export class JsonLines {
  /** Lines that were too long or not JSON. */
  bad = 0;
  private parts: Buffer[] = [];
  private length = 0;

  constructor(
    private readonly take: (value: unknown) => void,
    private readonly longest = LONGEST_LINE,
  ) {}

  update(chunk: Buffer): void {
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      this.keep(chunk.subarray(from, end));
      this.endLine();
      from = end + 1;
    }
    this.keep(chunk.subarray(from));
  }

  finish(): void {
    if (this.length > 0) this.endLine();
  }

  private keep(bytes: Buffer): void {
    this.length += bytes.length;
    if (this.length <= this.longest && bytes.length > 0) this.parts.push(bytes);
    else if (this.length > this.longest) this.parts = [];
  }

  private endLine(): void {
    const tooLong = this.length > this.longest;
    const text = Buffer.concat(this.parts).toString('utf8');
    this.parts = [];
    this.length = 0;
    if (!tooLong) {
      try {
        this.take(JSON.parse(text));
        return;
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
      }
    }
    this.bad += 1;
    this.take(undefined);
  }
}
