/** The policy as the rest of the product knows it; `domain/policy/` holds its parts. */
export { decide, type DecisionContext, type PolicyDecision, volumesToAcquire } from './policy/decide';
export { longestDeadline } from './policy/settings';
export { DEFAULT_POLICY } from './policy/default-policy';
export type { CheckpointPolicy, ContainmentSettings, IsolationTime, Policy, StageDeadlines } from './policy/policy';
