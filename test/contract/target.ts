import { awsTarget } from './aws-target';
import type { ContractTarget } from './contract-target';
import { labTarget } from './lab-target';
import { awsSettings, isAws } from './settings';

let started: ContractTarget | undefined;

export async function startTarget(): Promise<void> {
  started = isAws() ? await awsTarget(awsSettings()) : await labTarget();
}

export async function stopTarget(): Promise<void> {
  await started?.stop();
}

/** The target of the suite, from the first test on. */
export function target(): ContractTarget {
  if (!started) throw new Error('the target was not started: contract.test.ts does that for all parts');
  return started;
}
