import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { SendCommandCommand, paginateListCommandInvocations } from '@aws-sdk/client-ssm';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LabConfig, labConfig } from '../lab/config';
import { startLab } from '../lab/daemon';
import type { AccountClients } from '../lab/seed/account-clients';
import { launchInstances } from '../lab/seed/launch';
import { outputOf } from '../lab/setup/run-tool';
import { streamProgress } from '../lab/setup/setup-progress';
import { suspectParts, suspectVolumes } from '../lab/suspect-kind';
import { deployLab, temporalSearchAttributes, waitForAgent } from '../lab/up';
import { freePort } from './bench-lab';

const FLEET = 1_000;

/** What a lab with one guest, one sandbox and a fleet of paper instances needs; MiB. */
export interface Footprint {
  peakMemoryMiB: number;
  /** By program, at the peak. */
  programs: { program: string; processes: number; memoryMiB: number }[];
  stateMiB: number;
  cacheMiB: number;
  seconds: { up: number; guestOnline: number; fleetLaunched: number; commandOnFleet: number };
}

/**
 * Starts such a lab in this process and counts all processes below it by their proportional set size, so that shared
 * pages count once, twice a second until a command has ended on every instance.
 * @throws GuestPartsError when this machine cannot make a guest
 */
export async function measureFootprint(): Promise<Footprint> {
  const stateFolder = await mkdtemp(path.join(os.tmpdir(), 'forensics-footprint-'));
  const { cacheFolder } = labConfig();
  const parts = await suspectParts(cacheFolder, streamProgress());
  if (parts.kind !== 'guest') throw new Error(`no guest can be made on this machine: ${parts.note ?? ''}`);
  const config: LabConfig = {
    cacheFolder,
    stateFolder,
    ports: { aws: await freePort(), ssm: await freePort(), temporal: await freePort(), temporalUi: await freePort() },
    durations: labConfig().durations,
  };
  const clock = stopwatch();
  const lab = await startLab(config, { searchAttributes: temporalSearchAttributes, progress: streamProgress() });
  const peak = watchPeak();
  try {
    const { member } = await deployLab(config, lab.status(), parts);
    const up = clock();
    const volumes = await suspectVolumes(cacheFolder, parts.rootDisk);
    const [guest] = await launchInstances(member, { kind: 'guest', volumes, stateFolder, tags: { Fleet: 'all' } });
    const [sandbox] = await launchInstances(member, {
      kind: 'sandbox',
      volumes: [],
      stateFolder,
      tags: { Fleet: 'all' },
    });
    for (const one of [guest, sandbox]) await waitForAgent(member, one?.instanceId ?? '');
    const guestOnline = clock();
    await launchInstances(member, {
      kind: 'paper',
      count: FLEET,
      volumes: [],
      stateFolder,
      tags: { Fleet: 'all', 'lab:agent': 'scripted' },
    });
    const fleetLaunched = clock();
    await commandOnAll(member);
    const seconds = { up, guestOnline, fleetLaunched, commandOnFleet: clock() };
    const stateMiB = await folderMiB(stateFolder);
    return { ...(await peak.stop()), stateMiB, cacheMiB: await folderMiB(cacheFolder), seconds };
  } finally {
    await peak.stop();
    await lab.stop();
    await rm(stateFolder, { recursive: true, force: true });
  }
}

export function footprintText({ peakMemoryMiB, programs, stateMiB, cacheMiB, seconds }: Footprint): string {
  return [
    `A lab with one guest, one sandbox and ${FLEET} paper instances`,
    `  memory at its peak   ${peakMemoryMiB} MiB (proportional set size)`,
    ...programs.map((one) => `    ${one.memoryMiB.toString().padStart(6)} MiB  ${one.program} (${one.processes})`),
    `  disk: state          ${stateMiB} MiB`,
    `  disk: cache          ${cacheMiB} MiB (shared by all labs)`,
    `  seconds: lab and accounts up ${seconds.up}, guest and sandbox online ${seconds.guestOnline}, fleet launched ` +
      `${seconds.fleetLaunched}, one command ended on all of them ${seconds.commandOnFleet}`,
  ].join('\n');
}

/** Seconds since the last call, one decimal. */
function stopwatch(): () => number {
  let last = Date.now();
  return () => {
    const seconds = Math.round((Date.now() - last) / 100) / 10;
    last = Date.now();
    return seconds;
  };
}

async function commandOnAll(member: AccountClients): Promise<void> {
  // The fleet registers within a poll; a command by tag reaches who is registered when it is sent.
  for (;;) {
    const { Command } = await member.ssm.send(
      new SendCommandCommand({
        DocumentName: 'AWS-RunShellScript',
        Targets: [{ Key: 'tag:Fleet', Values: ['all'] }],
        Parameters: { commands: ['true'] },
        MaxConcurrency: '100%',
      }),
    );
    const CommandId = Command?.CommandId ?? '';
    let states: string[];
    do {
      await sleep(500);
      states = [];
      for await (const page of paginateListCommandInvocations({ client: member.ssm }, { CommandId }))
        states.push(...(page.CommandInvocations ?? []).map(({ Status }) => Status ?? ''));
    } while (states.length === 0 || states.some((state) => /Pending|InProgress/.test(state)));
    if (states.length >= FLEET + 2) return;
  }
}

interface ProcessMemory {
  pid: number;
  parent: number;
  program: string;
}

async function processes(): Promise<ProcessMemory[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      const [, program = '', parent = ''] = /^\d+ \((.*)\) \S (\d+)/s.exec(stat) ?? [];
      return { pid, program, parent: Number(parent) };
    }),
  );
  return found.filter(({ program }) => program !== '');
}

async function proportionalKib(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
  return Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0);
}

/** This process and all below it. */
async function family(): Promise<ProcessMemory[]> {
  const all = await processes();
  const members = new Set([process.pid]);
  for (let before = 0; before !== members.size;) {
    before = members.size;
    for (const { pid, parent } of all) if (members.has(parent)) members.add(pid);
  }
  return all.filter(({ pid }) => members.has(pid));
}

function watchPeak(): { stop(): Promise<Pick<Footprint, 'peakMemoryMiB' | 'programs'>> } {
  const peak: Pick<Footprint, 'peakMemoryMiB' | 'programs'> = { peakMemoryMiB: 0, programs: [] };
  const look = async (): Promise<void> => {
    const programs = new Map<string, { processes: number; kib: number }>();
    for (const { pid, program } of await family()) {
      const sum = programs.get(program) ?? { processes: 0, kib: 0 };
      programs.set(program, { processes: sum.processes + 1, kib: sum.kib + (await proportionalKib(pid)) });
    }
    const total = Math.round([...programs.values()].reduce((sum, { kib }) => sum + kib, 0) / 1024);
    if (total <= peak.peakMemoryMiB) return;
    peak.peakMemoryMiB = total;
    peak.programs = [...programs]
      .map(([program, { processes: count, kib }]) => ({
        program,
        processes: count,
        memoryMiB: Math.round(kib / 1024),
      }))
      .sort((a, b) => b.memoryMiB - a.memoryMiB)
      .slice(0, 6);
  };
  const ending = new AbortController();
  const watching = (async () => {
    while (!ending.signal.aborted) {
      await look();
      await sleep(500, undefined, { signal: ending.signal }).catch(() => undefined);
    }
  })();
  return {
    async stop() {
      ending.abort();
      await watching;
      return peak;
    },
  };
}

async function folderMiB(folder: string): Promise<number> {
  const text = await outputOf('du', ['-s', '--block-size=1M', folder]);
  return Number(/^\d+/.exec(text ?? '')?.[0] ?? 0);
}
