import { DescribeInstancesCommand, type Instance } from '@aws-sdk/client-ec2';
import { sleep } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import {
  type ContainmentPlan,
  type EnforcedLayer,
  type LayerStates,
  type LayerUndo,
  planHash,
} from '../../domain/containment';
import type { CustodyFacts } from '../../domain/custody/facts';
import type { AccountClients } from '../aws/clients';
import { awsCode, awsStep } from '../aws/errors';

/** How often, and how long apart (milliseconds), a state is read until AWS shows what was just set. */
const LOOKS = 5;
const LOOK_INTERVAL_MS = 500;

export interface LayerContext {
  member: AccountClients;
  caseId: string;
  plan: ContainmentPlan;
}

/** What a layer did and then read. */
export interface Applied<State> {
  after: State;
  /** Things that the layer was to bring about; 0 when there was nothing to do. */
  parts: number;
  /** One sentence for each of them that did not come about, by reading; a call's answer is only the reason. */
  missing: string[];
  failures: ApplicationFailure[];
  residualPaths?: string[];
}

/** One kind of containment. Every method may run again after it succeeded. */
export interface Layer<Name extends EnforcedLayer> {
  /** What the layer changes, as it is now. */
  read(context: LayerContext): Promise<LayerStates[Name]>;
  /** The state that the plan knew, for a layer that cannot be read: it is applied all the same. */
  fromPlan(context: LayerContext): LayerStates[Name];
  /** Carries it out part by part; what fails undoes nothing that succeeded. */
  apply(context: LayerContext, before: LayerStates[Name]): Promise<Applied<LayerStates[Name]>>;
  /** Brings back `before`, but only where `after` is still there. */
  undo(context: LayerContext, before: LayerStates[Name], after: LayerStates[Name]): Promise<Omit<LayerUndo, 'layer'>>;
}

/** What allows a change: the consent to this very plan. */
export const authorityOf = (plan: ContainmentPlan): NonNullable<CustodyFacts['authority']> => ({
  checkpoint: 'isolation',
  planHash: planHash(plan),
});

/** Runs a part of a layer; what went wrong is returned, since the others must go on. */
export async function attemptPart(part: () => Promise<unknown>): Promise<ApplicationFailure | undefined> {
  try {
    await part();
    return undefined;
  } catch (error) {
    if (error instanceof ApplicationFailure) return error;
    throw error;
  }
}

/** Reads until `settled`, a few times: EC2 shows a change a moment after it answered (API reference, "Eventual consistency"). */
export async function readUntil<T>(read: () => Promise<T>, settled: (state: T) => boolean): Promise<T> {
  for (let look = 1; ; look += 1) {
    const state = await read();
    if (settled(state) || look >= LOOKS) return state;
    await sleep(LOOK_INTERVAL_MS);
  }
}

/** The instance's entry, or undefined when it is terminated or was never there. */
export async function readInstanceById(member: AccountClients, instanceId: string): Promise<Instance | undefined> {
  try {
    const { Reservations } = await awsStep(`reading instance ${instanceId}`, (options) =>
      member.ec2.send(new DescribeInstancesCommand({ InstanceIds: [instanceId] }), options),
    );
    const instance = Reservations?.[0]?.Instances?.[0];
    return instance?.State?.Name === 'terminated' ? undefined : instance;
  } catch (error) {
    if (awsCode(error) === 'InvalidInstanceID.NotFound') return undefined;
    throw error;
  }
}

export const readInstance = ({ member, plan }: LayerContext): Promise<Instance | undefined> =>
  readInstanceById(member, plan.target.instanceId);

export const differs = (difference: string): Omit<LayerUndo, 'layer'> => ({ outcome: 'differs', difference });
