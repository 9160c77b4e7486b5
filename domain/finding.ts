export const SEVERITIES = ['informational', 'low', 'medium', 'high', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

export const FINDING_SOURCES = ['guardduty', 'manual'] as const;

/** What somebody or something reported about an instance; trimmed, so that it fits into a workflow's input. */
export interface Finding {
  /** The finding's own id at its source; with the source it tells repeated deliveries from new findings. */
  id: string;
  source: (typeof FINDING_SOURCES)[number];
  /** E.g. `Backdoor:EC2/C&CActivity.B!DNS`; free text for a manual request. */
  type: string;
  severity: Severity;
  title: string;
  description: string;
  /** ISO 8601, UTC; when the source says that it was created. */
  createdAt: string;
}

/**
 * GuardDuty's number to its own label: below 4 low, below 7 medium, below 9 high, else critical.
 * Source: GuardDuty User Guide, "Severity levels of GuardDuty findings".
 */
export function severityOfGuardDuty(value: number): Severity {
  if (value < 1) return 'informational';
  if (value < 4) return 'low';
  if (value < 7) return 'medium';
  return value < 9 ? 'high' : 'critical';
}
