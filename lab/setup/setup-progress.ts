import { SingleBar } from 'cli-progress';

/** What a set-up step tells while it runs. */
export interface SetupStep {
  /** Megabytes fetched so far, where the tool tells. */
  fetched(megabytes: number): void;
  /** Ends the step with one line: what it did, its seconds, its megabytes. */
  done(outcome?: string): void;
  failed(): void;
}

/** Where set-up steps report to: a terminal, a log, nothing. */
export interface SetupProgress {
  /** @param expectedMegabytes what the step is known to fetch, to draw a bar to; leave it out when nobody knows. */
  begin(title: string, expectedMegabytes?: number): SetupStep;
}

type Output = Pick<NodeJS.WriteStream, 'write' | 'isTTY'>;

const noStep: SetupStep = { fetched: () => undefined, done: () => undefined, failed: () => undefined };
export const silentProgress: SetupProgress = { begin: () => noStep };

/** One plain line as a step starts and one as it ends: for logs and CI. */
function lineProgress(output: Output): SetupProgress {
  return {
    begin(title) {
      const startedAt = Date.now();
      let fetched = 0;
      output.write(`${title} ...\n`);
      return {
        fetched: (megabytes) => (fetched = megabytes),
        done: (outcome) => void output.write(endLine('done', title, startedAt, fetched, outcome)),
        failed: () => void output.write(endLine('failed', title, startedAt, fetched)),
      };
    },
  };
}

/** A bar per running step on the terminal, replaced by one line when the step ends. */
function barProgress(output: NodeJS.WriteStream): SetupProgress {
  return {
    begin(title, expectedMegabytes) {
      const startedAt = Date.now();
      let fetched = 0;
      const format = expectedMegabytes
        ? `{bar} ${title}, {value} of about {total} MB, {duration_formatted}`
        : `${title}, {duration_formatted}`;
      const bar = new SingleBar({
        format,
        stream: output,
        clearOnComplete: true,
        hideCursor: true,
        fps: 5,
        barsize: 24,
      });
      bar.start(expectedMegabytes ?? 0, 0);
      // The duration goes on while a tool is silent (a compile, an unpack).
      const clock = setInterval(() => bar.updateETA(), 1000);
      const end = (line: string): void => {
        clearInterval(clock);
        bar.stop();
        output.write(line);
      };
      return {
        fetched(megabytes) {
          fetched = megabytes;
          // The expected size is a guess: the bar never claims to be full before the step is.
          bar.update(Math.round(expectedMegabytes ? Math.min(megabytes, expectedMegabytes * 0.99) : megabytes));
        },
        done: (outcome) => end(endLine('done', title, startedAt, fetched, outcome)),
        failed: () => end(endLine('failed', title, startedAt, fetched)),
      };
    },
  };
}

function endLine(
  how: 'done' | 'failed',
  title: string,
  startedAt: number,
  megabytes: number,
  outcome?: string,
): string {
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
  const fetched = megabytes > 0 ? `, ${megabytes.toFixed(megabytes < 10 ? 1 : 0)} MB fetched` : '';
  return `${title}: ${how}${outcome ? ` (${outcome})` : ''} in ${seconds} s${fetched}\n`;
}

/** Progress on a stream: bars on a terminal, plain lines elsewhere. */
export function streamProgress(output: NodeJS.WriteStream = process.stderr): SetupProgress {
  return output.isTTY ? barProgress(output) : lineProgress(output);
}
