import { matchesGlob } from './glob';

/**
 * The roles that a principal has, sorted. Whoever types a name may type any name: a role means something only for a principal that
 * STS has confirmed.
 *
 * @param roles name → patterns, from the policy or its decision
 * @param principal as STS names it, e.g. `arn:aws:sts::111122223333:assumed-role/Responder/ann`
 */
export function rolesOf(roles: Record<string, string[]>, principal: string): string[] {
  return Object.entries(roles)
    .filter(([, patterns]) => patterns.some((pattern) => matchesGlob(pattern, principal)))
    .map(([name]) => name)
    .sort();
}
