import { type EvidenceThreat, threatSentence } from '../domain/evidence-threat';
import { CaseTelling } from './case-telling';
import type { ThreatOutcome } from './contract/keeping';
import { keepingStep } from './keeping-steps';

/**
 * Tells the cases whose evidence a call works on: an alert in each one's custody log. People are told once, not once a case. What
 * the product itself does in its usual way is no alert.
 */
export async function evidenceThreat(threat: EvidenceThreat): Promise<ThreatOutcome> {
  const found = await keepingStep(`Find whose evidence ${threat.call} works on`).findThreatenedCases({ threat });
  const { caseIds } = found;
  const others = caseIds.length > 1 ? ` (evidence of ${caseIds.length} cases)` : '';
  for (const [index, caseId] of caseIds.entries()) {
    const told = new CaseTelling(caseId);
    told.tell({
      kind: 'evidence-alert',
      actor: { name: threat.caller, knownBy: 'proven' },
      message: `EVIDENCE IS THREATENED: ${threatSentence(threat)}${others}`,
      severity: threat.severity,
      data: { threat },
      notify: index === 0,
    });
    await told.allTold();
  }
  return found;
}
