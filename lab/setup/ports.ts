import net from 'node:net';

import type { LabConfig, LabPorts } from '../config';

const PORT_NAMES: Record<keyof LabPorts, { what: string; variable: string }> = {
  aws: { what: 'AWS emulator', variable: 'LAB_AWS_PORT' },
  ssm: { what: 'SSM server', variable: 'LAB_SSM_PORT' },
  temporal: { what: 'Temporal server', variable: 'LAB_TEMPORAL_PORT' },
  temporalUi: { what: 'Temporal UI', variable: 'LAB_TEMPORAL_UI_PORT' },
};

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = net.createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

/** Throws one line that names the first port in use and the variable that moves it. */
export async function checkPorts({ ports, temporal }: Pick<LabConfig, 'ports' | 'temporal'>): Promise<void> {
  const own = ['aws', 'ssm', ...(temporal ? [] : (['temporal', 'temporalUi'] as const))] as const;
  for (const key of own) {
    if (await isFree(ports[key])) continue;
    const { what, variable } = PORT_NAMES[key];
    throw new Error(
      `Port ${ports[key]} (${what}) is in use: end the program that holds it, or set ${variable} to a free port`,
    );
  }
}
