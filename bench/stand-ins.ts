import { randomBytes } from 'node:crypto';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { MemoryTool } from '../lab/seed/deployment';
import type { Durations } from './durations';

export interface StandIns {
  forensicToolsFolder: string;
  memoryTools: MemoryTool[];
  memoryImage: string;
  diskImage: string;
}

export const BLOCK_BYTES = 512 * 1024;
/** Written blocks of the disk image; the rest of its GiB is a hole. */
export const DISK_BLOCKS = 8;
const MEMORY_BYTES = 4 * 1024 ** 2;

/**
 * Simulated tools for the forensic image and the suspect: they sleep as long as they are told and print the least that
 * the documents take. They examine nothing; what surrounds them (documents, transfers, digests) is the product's own.
 */
export async function makeStandIns(folder: string, durations: Durations): Promise<StandIns> {
  const bin = path.join(folder, 'forensic-tools', 'bin');
  await mkdir(bin, { recursive: true });
  for (const [name, script] of Object.entries(forensicTools(durations.examinationSeconds))) {
    await writeScript(path.join(bin, name), script);
  }
  const memoryTool = path.join(folder, 'stand-in-memory-tool');
  await writeScript(memoryTool, memoryScript(durations.memorySeconds));
  // A folder of its own, since the whole folder is shown to the instance.
  const memoryImage = path.join(folder, 'memory', 'memory.lime');
  await mkdir(path.dirname(memoryImage));
  await writeFile(memoryImage, limeImage(MEMORY_BYTES));
  const diskImage = path.join(folder, 'disk.img');
  await writeFile(diskImage, randomBytes(DISK_BLOCKS * BLOCK_BYTES));
  return {
    forensicToolsFolder: path.dirname(bin),
    memoryTools: [{ name: 'stand-in-memory-tool', version: '1', file: memoryTool }],
    memoryImage,
    diskImage,
  };
}

/** LiME of one range: header (magic, version, first and last address), then memory that begins with a kernel banner. */
export function limeImage(bytes: number): Buffer {
  const header = Buffer.alloc(32);
  header.writeUInt32LE(0x4c694d45, 0);
  header.writeUInt32LE(1, 4);
  header.writeBigUInt64LE(0n, 8);
  header.writeBigUInt64LE(BigInt(bytes) - 1n, 16);
  const memory = Buffer.alloc(bytes);
  memory.write('Linux version 6.1.0-benchmark (nobody@nowhere) #1 SMP\n', 4096, 'latin1');
  return Buffer.concat([header, memory]);
}

async function writeScript(file: string, script: string): Promise<void> {
  await writeFile(
    file,
    `#!/bin/sh\n# STAND-IN of a benchmark: simulates a tool's duration and examines nothing.\n${script}`,
  );
  await chmod(file, 0o755);
}

const memoryScript = (seconds: number): string => `set -eu
sleep ${seconds}
cat "$LAB_FIXTURE_MEMORY" >"$2"
`;

/** The whole duration lies in the first tool of an examination that is not a preparation; the others return at once. */
const forensicTools = (seconds: number): Record<string, string> => ({
  log2timeline: `if [ "\${1:-}" = --version ]; then echo 'stand-in version 1'; exit 0; fi
sleep ${seconds}
while [ $# -gt 1 ]; do
  if [ "$1" = --storage_file ]; then echo stand-in >"$2"; fi
  shift
done
`,
  pinfo: `echo '{"storage_counters": {"parsers": {"total": 1}}}'
`,
  psort: `if [ "\${1:-}" = --version ]; then echo 'stand-in version 1'; exit 0; fi
while [ $# -gt 1 ]; do
  if [ "$1" = -w ]; then
    echo '{"timestamp": 0, "message": "stand-in", "data_type": "stand-in", "display_name": "TSK:/stand-in"}' >"$2"
  fi
  shift
done
`,
  'volume-layout': `printf 'ext\\t4096\\tthe whole disk\\tread\\n'
`,
  'forensic-symbols': `mkdir -p "$2/linux"
echo '{"kernel": "6.1.0-benchmark", "banner": "Linux version 6.1.0-benchmark", "fiveLevelPaging": false}'
`,
  vol: `echo 'Volatility 3 Framework 0 (stand-in)' >&2
for argument in "$@"; do plugin=$argument; done
if [ "$plugin" = linux.pslist ]; then
  sleep ${seconds}
  echo '{"PID": 1, "PPID": 0, "COMM": "stand-in", "__children": []}'
fi
`,
});
