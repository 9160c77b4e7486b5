import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { type Command, Option } from 'commander';
import { EVIDENCE_KINDS, type EvidenceKind, type SealedCase } from '../../../domain/custody/bundle';
import { archiveFormat, packBundle } from '../../export/bundle-archive';
import { fetchBundle } from '../../export/fetch-bundle';
import { answer } from '../context';
import { print, UsageError } from '../output';
import { caseCommand } from './inspect';
import { closedCase } from './results';

interface ExportOptions {
  out?: string;
  file?: string;
  with: EvidenceKind[];
}

export function addExportCommand(program: Command): void {
  caseCommand(program, 'export', 'hand a closed case over: its sealed bundle as a folder or as one archive')
    .option('--out <folder>', 'a folder that is not there yet or is empty; <case> here, if nothing is given')
    .option('--file <archive>', '*.tar.zst (needs Node.js 22.15 or the program zstd) or *.tar.gz')
    .addOption(
      new Option('--with <kinds>', `evidence to take along: ${EVIDENCE_KINDS.join(', ')}, or all`)
        .argParser(evidenceKinds)
        .default([], 'none'),
    )
    .addHelpText(
      'after',
      `
What is left out is named in the bundle with its digest, and can be added later. Disks are snapshots and stay where they are;
"blocks" takes the digests of their blocks along, by which a copy of the disk can be checked.

Examples:
  forensics export i-0123456789abcdef0-20261122t080001z --out ./case
  forensics export i-0123456789abcdef0 --file case.tar.zst --with memory,timelines`,
    )
    .action(async (reference: string, options: ExportOptions, command: Command) => {
      if (options.out !== undefined && options.file !== undefined)
        throw new UsageError('give --out or --file, not both');
      const { caseId, seal } = await sealedCase(reference);
      const { file } = options;
      const told =
        file === undefined ? await toFolder(caseId, seal, options) : await toArchive(caseId, seal, file, options);
      answer(command, { caseId, ...told, publicKeySha256: seal.publicKeySha256 }, () => {
        print(`${told.place}: ${told.fetched} files, ${told.leftOut} of evidence left out`);
        print(`signing key, SHA-256 of its DER form, for the one who receives it: ${seal.publicKeySha256}`);
      });
    });
}

/** @throws UsageError when the case is open, or was never sealed */
export async function sealedCase(reference: string): Promise<{ caseId: string; seal: SealedCase }> {
  const { caseId, seal } = await closedCase(reference);
  if (!seal) throw new UsageError(`case ${caseId} closed without a seal; "show ${caseId}" says why`);
  return { caseId, seal };
}

async function toFolder(caseId: string, seal: SealedCase, { out, with: kinds }: ExportOptions) {
  const place = path.resolve(out ?? caseId);
  if (existsSync(place) && readdirSync(place).length > 0)
    throw new UsageError(`${place} is there already and not empty`);
  const { fetched, leftOut } = await fetchBundle(seal, place, kinds);
  return { place, fetched, leftOut };
}

async function toArchive(caseId: string, seal: SealedCase, file: string, { with: kinds }: ExportOptions) {
  if (!archiveFormat(file)) throw new UsageError(`${file}: call it *.tar.zst or *.tar.gz`);
  if (existsSync(file)) throw new UsageError(`${file} is there already`);
  return inTemporaryFolder(async (folder) => {
    const { fetched, leftOut } = await fetchBundle(seal, folder, kinds);
    await packBundle(folder, caseId, file);
    return { place: path.resolve(file), fetched, leftOut };
  });
}

/** Evidence may be large: TMPDIR says where there is room for it. */
export async function inTemporaryFolder<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'forensics-bundle-'));
  try {
    return await run(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function evidenceKinds(text: string): EvidenceKind[] {
  if (text === 'all') return [...EVIDENCE_KINDS];
  return text.split(',').map((name) => {
    const kind = EVIDENCE_KINDS.find((one) => one === name.trim());
    if (!kind) throw new UsageError(`--with ${text}: "${name}" is none of ${EVIDENCE_KINDS.join(', ')}`);
    return kind;
  });
}
