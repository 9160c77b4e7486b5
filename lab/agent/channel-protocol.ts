/**
 * The line protocol between the agent and the runner inside a guest. Raw bytes over a serial port, so everything is
 * 7-bit text, one message a line; whatever else appears on the line (boot messages) is ignored.
 *
 * Agent to runner: `HELLO`; `RUN <id> <timeoutSeconds>`, the script in base64 in lines of at most 512 characters, and
 * a line `.`; `KILL <id>`.
 * Runner to agent: `READY <base64 of name|version|hostname|address>`, when it starts and as the answer to HELLO;
 * `OUT <id> <base64>`, `ERR <id> <base64>`; `EXIT <id> <code>`, after all output of the script.
 *
 * The agent keeps the time; the runner may use the time-out of RUN to end a script whose agent has gone.
 */
export type RunnerMessage =
  | { kind: 'ready'; platform: { name: string; version: string; hostname: string; address: string } }
  | { kind: 'output'; id: string; stream: 'stdout' | 'stderr'; bytes: Buffer }
  | { kind: 'exit'; id: string; code: number };

const SCRIPT_LINE_CHARACTERS = 512;
/** A longer line without an end is noise. */
const LONGEST_LINE_BYTES = 1024 * 1024;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** @returns undefined for a line that is no message of a runner. */
export function parseRunnerLine(line: string): RunnerMessage | undefined {
  const [word = '', first = '', second = '', ...rest] = line.split(' ');
  if (rest.length > 0) return undefined;
  if (word === 'READY' && second === '' && first !== '' && BASE64.test(first)) {
    const [name, version, hostname, address] = decode(first).toString('utf8').split('|');
    if (name === undefined || version === undefined || hostname === undefined || address === undefined)
      return undefined;
    return { kind: 'ready', platform: { name, version, hostname, address } };
  }
  if ((word === 'OUT' || word === 'ERR') && first !== '' && BASE64.test(second)) {
    return { kind: 'output', id: first, stream: word === 'OUT' ? 'stdout' : 'stderr', bytes: decode(second) };
  }
  if (word === 'EXIT' && first !== '' && /^\d{1,3}$/.test(second)) {
    return { kind: 'exit', id: first, code: Number(second) };
  }
  return undefined;
}

/** The lines of RUN for a script. */
export function runLines(id: string, timeoutSeconds: number, script: string): string {
  const encoded = Buffer.from(script).toString('base64');
  const lines = [`RUN ${id} ${Math.ceil(timeoutSeconds)}`];
  for (let start = 0; start < encoded.length; start += SCRIPT_LINE_CHARACTERS) {
    lines.push(encoded.slice(start, start + SCRIPT_LINE_CHARACTERS));
  }
  return `${lines.join('\n')}\n.\n`;
}

/**
 * The script with its environment and working directory put into its head, after the `#!` line; without one it gets
 * `#!/bin/sh`, which is what the agent would run it with.
 */
export function selfContainedScript(
  script: string,
  environment: Record<string, string>,
  workingDirectory: string | undefined,
): string {
  const head = Object.entries(environment).map(([name, value]) => `export ${name}=${shellQuoted(value)}`);
  if (workingDirectory !== undefined) head.push(`cd -- ${shellQuoted(workingDirectory)} || exit 1`);
  const [interpreter, body] = splitInterpreter(script);
  return [interpreter, ...head, body].join('\n');
}

function splitInterpreter(script: string): [string, string] {
  if (!script.startsWith('#!')) return ['#!/bin/sh', script];
  const lineEnd = script.indexOf('\n');
  return lineEnd < 0 ? [script, ''] : [script.slice(0, lineEnd), script.slice(lineEnd + 1)];
}

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function decode(base64: string): Buffer {
  return Buffer.from(base64, 'base64');
}

/** Cuts a byte stream into lines; a carriage return before the line's end, as a terminal adds it, is dropped. */
export class LineReader {
  private rest = Buffer.alloc(0);

  /** @returns the lines that `chunk` completes. */
  add(chunk: Buffer): string[] {
    this.rest = Buffer.concat([this.rest, chunk]);
    const lastEnd = this.rest.lastIndexOf(0x0a);
    if (lastEnd < 0) {
      if (this.rest.length > LONGEST_LINE_BYTES) this.clear();
      return [];
    }
    const lines = this.rest.subarray(0, lastEnd).toString('latin1').split('\n');
    this.rest = this.rest.subarray(lastEnd + 1);
    return lines.map((line) => line.replace(/\r+$/, ''));
  }

  clear(): void {
    this.rest = Buffer.alloc(0);
  }
}
