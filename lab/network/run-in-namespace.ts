import { spawn } from 'node:child_process';

/** A command of the network's set-up failed: the message holds the command and what it said. */
export class NetworkCommandError extends Error {
  override name = 'NetworkCommandError';
}

const LIMIT_SECONDS = 30;

/** Runs a command to its end; answers its standard output. Rejects with NetworkCommandError. */
export async function runCommand(command: string, args: string[], input = ''): Promise<string> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: LIMIT_SECONDS * 1000, cwd: '/' });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  // A command that ends without reading all of its input says why on standard error.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code === 0) return stdout;
  const said = stderr.trim() || `ended with code ${code ?? 'none'}`;
  throw new NetworkCommandError(`${command} ${args.join(' ')}: ${said}`);
}

/** Command and arguments that run a program in a network namespace; all else of it stays this machine's. */
export function insideNamespace(namespace: string, command: string, ...args: string[]): [string, ...string[]] {
  return ['nsenter', `--net=/run/netns/${namespace}`, '--', command, ...args];
}

/** Runs a command in a network namespace to its end; answers its standard output. */
export async function runInNamespace(namespace: string, command: string, args: string[], input = ''): Promise<string> {
  const [program, ...rest] = insideNamespace(namespace, command, ...args);
  return runCommand(program, rest, input);
}

/** Lines of `ip -batch`, carried out in a namespace until the first that fails. */
export async function ipBatch(namespace: string, lines: string[]): Promise<void> {
  await runCommand('ip', ['-netns', namespace, '-batch', '-'], `${lines.join('\n')}\n`);
}

/** Puts nftables rules in force in a namespace, all of them or none. */
export async function applyRules(namespace: string, rules: string): Promise<void> {
  await runInNamespace(namespace, 'nft', ['-f', '-'], rules);
}
