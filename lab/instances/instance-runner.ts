import type { InstanceNetwork, InterfaceKind } from '../network/instance-network';
import type { EmulatedInstance } from './emulated-instance';

/** What a runner knows of the lab around it. */
export interface InstanceContext {
  awsUrl: string;
  ssmUrl: string;
  /** The lab's state; volumes lie in <stateFolder>/ebs/volumes/<volumeId>.img. */
  stateFolder: string;
  /** The runner's own folder, <stateFolder>/instances/<instanceId>: kept while stopped, removed after termination. */
  instanceFolder: string;
  cacheFolder: string;
  /** The SSM agent as one JavaScript file. */
  agentFile: string;
  /**
   * The instance's own network interfaces, from its start to its stop. Absent in a lab without a network: then the
   * instance shares this machine's.
   */
  network?: InstanceNetwork;
  log: (message: string) => void;
}

/**
 * What runs one emulated instance of a kind. Calls never overlap. A runner may be started again after stop(), as an
 * instance may. Each leaves nothing behind after stop(): no process, no mount, no loop device.
 */
export interface InstanceRunner {
  /** How it meets the lab's network; absent: not at all. */
  readonly interfaceKind?: InterfaceKind;
  /** Resolves when the instance runs (its agent may still be on its way). */
  start(instance: EmulatedInstance, context: InstanceContext): Promise<void>;
  /** Something of the instance changed while it runs: its volumes, its tags, its security groups. */
  update(instance: EmulatedInstance): Promise<void>;
  stop(): Promise<void>;
  /** Ends the SSM agent at once and keeps it from coming back; documents that it runs are left to themselves. */
  killAgent?(): Promise<void>;
  /** Starts the SSM agent again after killAgent. */
  startAgent?(): Promise<void>;
  /** What this runner does not do although the instance's settings ask for it; shown by `lab status`. */
  notEnforced(): string[];
}

/** Makes the runner of one instance. Kinds without a factory ('paper') exist in the API only. */
export type InstanceRunnerFactory = () => InstanceRunner;

/** Kind (see EmulatedInstance.kind) → what runs it. */
export type InstanceRunnerRegistry = Map<string, InstanceRunnerFactory>;
