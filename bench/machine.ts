import os from 'node:os';

export interface MachineFacts {
  cores: number;
  cpu: string;
  memoryGiB: number;
  /** Load averages of 1, 5 and 15 minutes when the bench began. */
  load: number[];
  node: string;
  temporalServer?: string;
}

export function machineFacts(): MachineFacts {
  const cores = os.cpus();
  return {
    cores: cores.length,
    cpu: cores[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round(os.totalmem() / 1024 ** 3),
    load: os.loadavg(),
    node: process.versions.node,
  };
}
