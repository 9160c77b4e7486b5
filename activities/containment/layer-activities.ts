import type { ContainmentPlan, EnforcedLayer, LayerOutcome, LayerState, LayerUndo } from '../../domain/containment';

export interface LayerInput {
  caseId: string;
  plan: ContainmentPlan;
  layer: EnforcedLayer;
}

export interface LayerActivities {
  /**
   * The state that a layer will change; a step of its own, so that it is in the workflow's history before anything is
   * changed. What cannot be read stands as the plan knew it, with the reason.
   */
  readLayer(input: LayerInput): Promise<LayerState>;
  /**
   * Applies one layer and reads it again. Throws only what another attempt may not see; what cannot be brought about is
   * reported, and nothing that succeeded is undone.
   * @param before as `readLayer` gave it
   */
  applyLayer(input: LayerInput & { before: LayerState }): Promise<LayerOutcome>;
  /**
   * Brings back the state before, compare-and-set: where AWS shows neither what containment left nor what was there
   * before, nothing is touched and the difference is told. Safe to call again.
   */
  undoLayer(input: LayerInput & { applied: LayerOutcome }): Promise<LayerUndo>;
}
