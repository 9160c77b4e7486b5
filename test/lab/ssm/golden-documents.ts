import type { DocumentContent, DocumentParameter, DocumentStep } from '../../../lab/ssm/documents';

/** A document whose effect the real agent was seen to have; the answers lie in test/fixtures/ssm-agent-golden.json. */
export interface GoldenCase {
  document: DocumentContent;
  parameters?: Record<string, string[]>;
  /** Cancelled when its script has written the file that the parameter Marker names. */
  cancelOnceStarted?: boolean;
  /** Systems Manager takes no such document: the agent is asked without it. */
  refusedByService?: boolean;
}

function script(
  name: string,
  runCommand: unknown,
  inputs: Record<string, unknown> = {},
  rest: Partial<DocumentStep> = {},
): DocumentStep {
  return { action: 'aws:runShellScript', name, inputs: { runCommand, ...inputs }, ...rest };
}

function document(mainSteps: DocumentStep[], parameters: Record<string, DocumentParameter> = {}): DocumentContent {
  return { schemaVersion: '2.2', description: 'conformance', parameters, mainSteps };
}

function when(left: string, right: string): Partial<DocumentStep> {
  return { precondition: { StringEquals: [left, right] } };
}

const TEXT: DocumentParameter = { type: 'String' };
const LIST: DocumentParameter = { type: 'StringList' };
const COMMANDS = { Commands: ['echo one', 'echo two'] };
const FINAL = script('f', ['echo fin'], { finallyStep: true });

export const GOLDEN_CASES: Record<string, GoldenCase> = {
  plain: { document: document([script('a', ['echo hello', 'echo err >&2'])]) },
  twoSteps: { document: document([script('a', ['echo 1']), script('b', ['echo 2'])]) },
  shebangBash: {
    document: document([script('a', ['#!/bin/bash', 'set -o pipefail', 'echo ${BASH_VERSION:+bash}'])]),
  },
  noShebangIsSh: { document: document([script('a', ['echo ${BASH_VERSION:-not-bash}'])]) },
  exit3: { document: document([script('a', ['echo out', 'exit 3'])]) },
  failThenContinue: { document: document([script('a', ['exit 1']), script('b', ['echo still'])]) },
  onFailureExit: {
    document: document([script('a', ['exit 1'], { onFailure: 'exit' }), script('b', ['echo no']), FINAL]),
  },
  onFailureSuccessAndExit: {
    document: document([script('a', ['exit 1'], { onFailure: 'successAndExit' }), script('b', ['echo no'])]),
  },
  onSuccessExit: {
    document: document([script('a', ['true'], { onSuccess: 'exit' }), script('b', ['echo no']), FINAL]),
  },
  exit168: { document: document([script('a', ['echo x; exit 168']), script('b', ['echo no'])]) },
  exit169: { document: document([script('a', ['echo x; exit 169']), script('b', ['echo no'])]) },
  finallyNotLast: { document: document([FINAL, script('b', ['exit 2'], { onFailure: 'exit' })]) },
  precondition: {
    document: document([
      script('w', ['echo no'], {}, when('platformType', 'Windows')),
      script('l', ['echo yes'], {}, when('platformType', 'Linux')),
    ]),
  },
  preconditionParam: {
    document: document(
      [
        script('a', ['echo deep'], {}, when('{{ Mode }}', 'deep')),
        script('b', ['echo quick'], {}, when('{{ Mode }}', 'quick')),
      ],
      { Mode: TEXT },
    ),
    parameters: { Mode: ['quick'] },
  },
  params: {
    document: document([script('a', ["printf '%s|%s|%s\\n' '{{ C }}' '{{L}}' '{{ B }}'"])], {
      C: TEXT,
      L: LIST,
      B: { type: 'Boolean', default: false },
    }),
    parameters: { C: ['case-1'], L: ['/a b', '/c'] },
  },
  commandsParam: { document: document([script('a', ['{{ Commands }}'])], { Commands: LIST }), parameters: COMMANDS },
  commandsWhole: { document: document([script('a', '{{ Commands }}')], { Commands: LIST }), parameters: COMMANDS },
  undeclared: { document: document([script('a', ["echo '{{ Nope }}'"])]) },
  env: { document: document([script('a', ['env | grep -E "^(AWS_SSM|SSM_)" | cut -d= -f1 | sort'])]) },
  cwd: { document: document([script('a', ['pwd'], { workingDirectory: '/var' })]) },
  timeout5: {
    document: document([script('a', ['echo s', 'sleep 30'], { timeoutSeconds: '5' }), script('b', ['echo next'])]),
  },
  timeout2IsIgnored: { document: document([script('a', ['sleep 4; echo survived'], { timeoutSeconds: '2' })]) },
  timeoutParam: {
    document: document([script('a', ['sleep 30'], { timeoutSeconds: '{{ T }}' })], {
      T: { type: 'String', default: '5' },
    }),
  },
  cancel: {
    document: document([script('a', ['echo s', ': > {{ Marker }}', 'sleep 30']), script('b', ['echo next'])], {
      Marker: TEXT,
    }),
    cancelOnceStarted: true,
  },
  bigOut: { document: document([script('a', ['head -c 200000 /dev/zero | tr "\\0" x'])]) },
  bigErr: { document: document([script('a', ['head -c 200000 /dev/zero | tr "\\0" y >&2'])]) },
  unicode: { document: document([script('a', ['echo "héllo ✓"'])]) },
  unknownAction: {
    document: document([{ action: 'aws:nonexistent', name: 'u', inputs: {} }, script('n', ['echo n'])]),
    refusedByService: true,
  },
  powershellOnLinux: {
    document: document([
      { action: 'aws:runPowerShellScript', name: 'u', inputs: { runCommand: ['echo hi'] } },
      script('n', ['echo n']),
    ]),
  },
  downloadInsecure: {
    document: document([
      {
        action: 'aws:downloadContent',
        name: 'd',
        inputs: { sourceType: 'HTTP', sourceInfo: '{"url":"http://192.0.2.1/x"}', destinationPath: '/tmp/dl' },
      },
    ]),
  },
  background: { document: document([script('a', ['(sleep 3; echo late) & echo now'])]) },
};
