/** Dependencies flow one way: starters -> workflows -> domain <- activities <- workers (docs/architecture.md). */
const forbid = (name, from, to, comment) => ({ name, severity: 'error', comment, from: { path: from }, to });
module.exports = {
  forbidden: [
    forbid('no-cycles', '.*', { circular: true }, 'A cycle hides who owns what.'),
    forbid(
      'domain-stands-alone',
      '^domain/(?!schemas/)',
      { path: '^(workflows|activities|workers|starters|ssm-documents|lab|infra|bench|test)/|^domain/schemas/' },
      'The rules of the process know nobody.',
    ),
    forbid(
      'domain-is-pure',
      '^domain/(?!schemas/)',
      { dependencyTypes: ['core'] },
      'No I/O, no clock, no randomness in domain/.',
    ),
    forbid(
      'workflows-know-domain',
      '^workflows/',
      { path: '^(activities|workers|starters|ssm-documents|lab|infra|bench|test)/', dependencyTypesNot: ['type-only'] },
      'Workflows import activities as types only.',
    ),
    forbid(
      'activities-know-domain',
      '^activities/',
      { path: '^(workers|starters|lab|infra|bench|test)/' },
      'Activities know the domain and the workflow contract.',
    ),
    forbid(
      'activities-know-only-the-contract',
      '^activities/',
      { path: '^workflows/(?!contract/)' },
      'Activities know workflows by their contract only.',
    ),
    forbid(
      'starters-steer-by-contract',
      '^starters/(?!cli/commands/lab)',
      { path: '^(activities|lab)/', dependencyTypesNot: ['type-only'] },
      'Starters steer a case by messages; only the lab commands of the CLI reach into lab/.',
    ),
    forbid(
      'lab-is-outside',
      '^(domain|workflows|activities|workers|ssm-documents)/',
      { path: '^(lab|test|bench)/' },
      'Product code has no lab in it.',
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    exclude: { path: '^(dist|\\.cache)/' },
  },
};
