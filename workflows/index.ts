/**
 * What a worker bundles. A function's name is its workflow type in running cases' histories: renaming one breaks them
 * (`WORKFLOW_TYPES` in contract/messages.ts says the same names to clients).
 */
export { forensicCase } from './forensic-case';
export { memoryAcquisition } from './memory-acquisition';
export { diskAcquisition } from './disk-acquisition';
export { examination } from './examination';
// Of evidence whose case is closed (`KEEPING_WORKFLOWS` in contract/keeping.ts).
export { evidenceAudit } from './evidence-audit';
export { evidencePurge } from './evidence-purge';
export { evidenceThreat } from './evidence-threat';
export { legalHold } from './legal-hold';
export { release } from './release';
