import { SEVERITIES, type Severity } from './finding';

/** The gravest of them; `informational` when there is none. */
export const gravest = (...severities: Severity[]): Severity =>
  SEVERITIES.findLast((severity) => severities.includes(severity)) ?? 'informational';
