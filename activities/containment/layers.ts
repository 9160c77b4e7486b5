import { ApplicationFailure } from '@temporalio/common';
import type { EnforcedLayer, LayerOutcome, LayerState, LayerStates, LayerUndo } from '../../domain/containment';
import type { AwsClients } from '../aws/clients';
import { isRetryable, worthAnotherAttempt } from '../aws/errors';
import type { ForensicsConfig } from '../config';
import { identity } from './identity';
import { internetEdge } from './internet-edge';
import type { LayerActivities, LayerInput } from './layer-activities';
import { loadBalancer } from './load-balancer';
import type { Applied, Layer, LayerContext } from './layer';
import { metadataService } from './metadata-service';
import { networkAcl } from './network-acl';
import { securityGroups } from './security-groups';
import { stop } from './stop';

const LAYERS: { [Name in EnforcedLayer]: Layer<Name> } = {
  identity,
  'internet-edge': internetEdge,
  'load-balancer': loadBalancer,
  'security-groups': securityGroups,
  'network-acl': networkAcl,
  'metadata-service': metadataService,
  stop,
};

/** Containment layer by layer; each fails, is verified and is undone on its own. */
export function createLayerActivities({ clients }: { config: ForensicsConfig; clients: AwsClients }): LayerActivities {
  const contextOf = ({ caseId, plan }: LayerInput): LayerContext => {
    const { accountId, region } = plan.target;
    return { caseId, plan, member: clients.member(accountId, region, 'contain', caseId) };
  };
  return {
    readLayer: (input) => read(input.layer, contextOf(input)),
    applyLayer: (input) => apply(input.layer, layerOf(input.layer), contextOf(input), input.before),
    undoLayer: (input) => undo(input.layer, layerOf(input.layer), contextOf(input), input.applied),
  };
}

function layerOf<Name extends EnforcedLayer>(name: Name): Layer<Name> {
  return LAYERS[name];
}

/** A state with its name; TypeScript cannot see that the pair of a generic name and its state is one of the union. */
const stateOf = <Name extends EnforcedLayer>(layer: Name, state: LayerStates[Name], unread?: string): LayerState =>
  ({ layer, state, ...(unread !== undefined && { unread }) }) as LayerState;

/** @throws ApplicationFailure when a state of another layer was handed in */
function checked<Name extends EnforcedLayer>(name: Name, given: LayerState): LayerStates[Name] {
  if (given.layer !== name)
    throw ApplicationFailure.nonRetryable(`a state of layer ${given.layer} was given for ${name}`, 'InvalidRequest');
  return given.state as LayerStates[Name];
}

async function read(name: EnforcedLayer, context: LayerContext): Promise<LayerState> {
  const layer = layerOf(name);
  try {
    return stateOf(name, await layer.read(context));
  } catch (error) {
    if (!(error instanceof ApplicationFailure) || worthAnotherAttempt(error)) throw error;
    return stateOf(name, layer.fromPlan(context), error.message);
  }
}

async function apply<Name extends EnforcedLayer>(
  name: Name,
  layer: Layer<Name>,
  context: LayerContext,
  before: LayerState,
): Promise<LayerOutcome> {
  const state = checked(name, before);
  let applied: Applied<LayerStates[Name]>;
  try {
    applied = await layer.apply(context, state);
  } catch (error) {
    if (!(error instanceof ApplicationFailure) || isRetryable(error) || isWaiting(error)) throw error;
    applied = { after: state, parts: 1, missing: [error.message], failures: [error] };
  }
  const again = applied.failures.find(worthAnotherAttempt);
  if (again) throw again;
  const { after, parts, missing, residualPaths = [] } = applied;
  const failed = missing.length > 0;
  return {
    layer: name,
    outcome: parts === 0 ? 'not-needed' : !failed ? 'applied' : missing.length < parts ? 'partially-applied' : 'failed',
    before,
    after: stateOf(name, after),
    verified: !failed,
    ...(failed && { reason: missing.join('; ') }),
    residualPaths,
    verifiedAt: new Date().toISOString(),
  };
}

/** An instance that is on its way to stop: looked at again, for as long as the workflow lets it. */
const isWaiting = (failure: ApplicationFailure): boolean => failure.type === 'NotReady';

async function undo<Name extends EnforcedLayer>(
  name: Name,
  layer: Layer<Name>,
  context: LayerContext,
  { before, after, outcome }: LayerOutcome,
): Promise<LayerUndo> {
  if (outcome === 'not-needed') return { layer: name, outcome: 'restored' };
  try {
    return { layer: name, ...(await layer.undo(context, checked(name, before), checked(name, after))) };
  } catch (error) {
    if (!(error instanceof ApplicationFailure) || isRetryable(error) || isWaiting(error)) throw error;
    return { layer: name, outcome: 'failed', difference: error.message };
  }
}
