import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';

/** A bundle that cannot even be read; says which file and why. */
export class UnreadableBundle extends Error {
  override readonly name = 'UnreadableBundle';
}

/** Reads a bundle's folder. Paths come from the bundle, which nobody vouches for: none may lead out of it. */
export class BundleReader {
  constructor(readonly folder: string) {}

  /** @throws UnreadableBundle when there is no such file in the bundle */
  async text(name: string): Promise<string> {
    const file = this.place(name);
    const found = await fs.lstat(file).catch((error: unknown) => {
      throw new UnreadableBundle(`${name} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    });
    if (!found.isFile()) throw new UnreadableBundle(`${name} is no regular file`);
    return fs.readFile(file, 'utf8');
  }

  /** @throws UnreadableBundle when it is no JSON */
  async json(name: string): Promise<unknown> {
    return parsed(await this.text(name), name);
  }

  /** One value a line. @throws UnreadableBundle, with the line, when one is no JSON */
  async records(name: string): Promise<unknown[]> {
    const lines = (await this.text(name)).split('\n');
    if (lines.at(-1) === '') lines.pop();
    return lines.map((line, index) => parsed(line, `${name} line ${index + 1}`));
  }

  /**
   * SHA-256 and size of a file, streamed; undefined when it is not there.
   * @throws UnreadableBundle for what is no file: a link could lead anywhere, a pipe would never end
   */
  async digest(name: string): Promise<{ sha256: string; sizeBytes: number } | undefined> {
    const file = this.place(name);
    const found = await fs.lstat(file).catch(() => undefined);
    if (!found) return undefined;
    if (!found.isFile()) throw new UnreadableBundle(`${name} is no regular file`);
    const { size } = found;
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Buffer);
    return { sha256: hash.digest('hex'), sizeBytes: size };
  }

  /** The first line, from 1, whose SHA-256 is not the one given; also when there are fewer or more. */
  async firstAlteredLine(name: string, expected: readonly string[]): Promise<number | undefined> {
    let number = 0;
    for await (const line of this.lines(name)) {
      number += 1;
      if (createHash('sha256').update(line).digest('hex') !== expected[number - 1]) return number;
    }
    return number === expected.length ? undefined : number + 1;
  }

  /** Lines of a text file, without their ends. */
  lines(name: string): AsyncIterable<string> {
    return createInterface({ input: createReadStream(this.place(name)), crlfDelay: 0 });
  }

  /** Every file of the bundle, relative, with `/`, sorted. */
  async files(): Promise<string[]> {
    const entries = await fs.readdir(this.folder, { recursive: true, withFileTypes: true }).catch(() => {
      throw new UnreadableBundle(`${this.folder} is no folder that can be read`);
    });
    return entries
      .filter((entry) => !entry.isDirectory())
      .map((entry) => path.relative(this.folder, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
      .sort();
  }

  /** Where a file of the bundle lies. @throws UnreadableBundle when that is outside of it */
  place(name: string): string {
    const place = path.resolve(this.folder, name);
    if (path.relative(this.folder, place).startsWith('..') || path.isAbsolute(name))
      throw new UnreadableBundle(`the bundle names ${name}, which lies outside of it`);
    return place;
  }
}

/** RFC 8785 has no form for half of a surrogate pair: whoever wrote one cannot have sealed it. JSON.stringify escapes it. */
const LONE_SURROGATE = /(?<!\\)(?:\\\\)*\\ud[89a-f]/;

function parsed(text: string, what: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UnreadableBundle(`${what} is no JSON`);
  }
  if (LONE_SURROGATE.test(JSON.stringify(value))) throw new UnreadableBundle(`${what} holds half of a surrogate pair`);
  return value;
}
