import type { CaseSettings, CheckpointPolicy, PartialSettings, Policy, RuleMatch } from './policy';
import { settingsWith } from './settings';

/** Something that a policy says and should not, by the path of its field. */
export interface PolicyProblem {
  path: (string | number)[];
  message: string;
}

/**
 * What the fields of a policy say against each other, once each is sound in itself.
 * @returns `problems` keep a worker from starting; `warnings` are told by `forensics policy check`
 */
export function policyProblems(policy: Policy): { problems: PolicyProblem[]; warnings: PolicyProblem[] } {
  const rules = policy.rules.map((rule, index) => ({ ...rule, path: ['rules', index] }));
  return {
    problems: [
      ...settingsProblems(policy, policy, policy, []),
      ...rules.flatMap((rule) =>
        settingsProblems(policy, settingsWith(policy, rule.then), rule.then, [...rule.path, 'then']),
      ),
      ...rules.flatMap(({ match, path }) => matchProblems(policy, match, [...path, 'match'])),
      ...repeatedNames(policy),
    ],
    warnings: [
      ...checkpointWarnings(policy, []),
      ...rules.flatMap(({ then, path }) => checkpointWarnings(settingsWith(policy, then), [...path, 'then'], then)),
      ...unreachableRules(policy),
      ...idlePreferences(policy),
    ],
  };
}

/** @param settings what holds in the end, whose source `written` may have said only a part of it */
function settingsProblems(
  policy: Policy,
  settings: CaseSettings,
  written: PartialSettings,
  path: PolicyProblem['path'],
): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  for (const [name, checkpoint] of Object.entries(written.checkpoints ?? {})) {
    for (const field of ['roles', 'breakGlassRoles'] as const) {
      (checkpoint[field] ?? []).forEach((role, index) => {
        if (Object.hasOwn(policy.roles, role)) return;
        problems.push({
          path: [...path, 'checkpoints', name, field, index],
          message: `role ${role} is not defined: add it under roles, with the principals that have it`,
        });
      });
    }
  }
  const { mode, layers } = settings.containment;
  if (settings.isolation === 'before-acquisition' && settings.acquire.memory) {
    const field = written.containment ? 'containment' : 'isolation';
    if (mode === 'full')
      problems.push({
        path: [...path, field],
        message:
          'full containment before the acquisition cuts the agent off that takes the memory image. ' +
          'Use mode keep-ssm, a later isolation, or acquire.memory false',
      });
    if (layers.includes('stop'))
      problems.push({
        path: [...path, field],
        message:
          'stopping the instance before the acquisition loses its memory. Leave layer stop out, isolate later, or set acquire.memory false',
      });
  }
  return problems;
}

function matchProblems(policy: Policy, match: RuleMatch, path: PolicyProblem['path']): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  if (match.criticality !== undefined && !policy.criticality)
    problems.push({
      path: [...path, 'criticality'],
      message: 'no instance has a business criticality: say under criticality which tag holds it',
    });
  if (typeof match.time === 'string' && !policy.businessHours)
    problems.push({
      path: [...path, 'time'],
      message: 'the policy has no businessHours: add them, or give a window here',
    });
  return problems;
}

function repeatedNames({ rules }: Policy): PolicyProblem[] {
  return rules.flatMap(({ name }, index) =>
    rules.findIndex((rule) => rule.name === name) === index
      ? []
      : [{ path: ['rules', index, 'name'], message: `${name} is the name of an earlier rule: give each its own` }],
  );
}

function checkpointWarnings(
  { checkpoints }: CaseSettings,
  path: PolicyProblem['path'],
  written?: PartialSettings,
): PolicyProblem[] {
  return Object.entries(checkpoints).flatMap(([name, checkpoint]) =>
    written && !Object.hasOwn(written.checkpoints ?? {}, name)
      ? []
      : doubts(checkpoint).map((message) => ({ path: [...path, 'checkpoints', name], message })),
  );
}

function doubts(checkpoint: CheckpointPolicy): string[] {
  const { roles, breakGlassRoles = [], provenIdentityRequired, escalateAfterSeconds, expiresAfterSeconds } = checkpoint;
  return [
    ...([...roles, ...breakGlassRoles].length > 0 && !provenIdentityRequired
      ? ['roles go by the name that a decision gives; anybody can type one. Set provenIdentityRequired to be sure']
      : []),
    ...(expiresAfterSeconds !== undefined && expiresAfterSeconds <= escalateAfterSeconds
      ? ['it expires before it is escalated: raise expiresAfterSeconds or lower escalateAfterSeconds']
      : []),
  ];
}

function unreachableRules({ rules }: Policy): PolicyProblem[] {
  const catchAll = rules.findIndex(({ match }) => Object.keys(match).length === 0);
  if (catchAll < 0) return [];
  return rules.slice(catchAll + 1).map(({ name }, index) => ({
    path: ['rules', catchAll + 1 + index],
    message: `${name} never fires: ${rules[catchAll]?.name ?? 'a rule'} before it matches every finding`,
  }));
}

/** A preference takes no consent away: where every checkpoint asks, it has nothing to say. */
function idlePreferences(policy: Policy): PolicyProblem[] {
  const { organisation, accounts, tags } = policy.preferences;
  const given = [organisation, ...Object.values(accounts), ...tags.map(({ preference }) => preference)];
  const permits = given.some((preference) => preference !== undefined && preference !== 'approval_required');
  const asks = ({ checkpoints }: CaseSettings): boolean => checkpoints.isolation.consent === 'required';
  if (!permits || !asks(policy) || !policy.rules.every(({ then }) => asks(settingsWith(policy, then)))) return [];
  return [
    {
      path: ['preferences'],
      message:
        'they permit containment without a person, but every isolation checkpoint asks for consent. ' +
        'Set checkpoints.isolation.consent to not-required where preferences are to decide',
    },
  ];
}
