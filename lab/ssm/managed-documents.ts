import type { StoredDocument } from './emulator-link';

/**
 * AWS's own documents that every account has. The lab knows the one that people try first. The step goes by the name
 * of its action, since AWS keeps this document in schema 1.2, which has no step names.
 */
const RUN_SHELL_SCRIPT: StoredDocument = {
  version: '1',
  sha256: undefined,
  sha1: undefined,
  content: {
    schemaVersion: '2.2',
    description: 'Run a shell script or specify the commands to run.',
    parameters: {
      commands: { type: 'StringList', minItems: 1 },
      workingDirectory: { type: 'String', default: '', maxChars: 4096 },
      executionTimeout: { type: 'String', default: '3600', allowedPattern: '^[1-9][0-9]{0,5}$' },
    },
    mainSteps: [
      {
        action: 'aws:runShellScript',
        name: 'aws:runShellScript',
        inputs: {
          runCommand: '{{ commands }}',
          workingDirectory: '{{ workingDirectory }}',
          timeoutSeconds: '{{ executionTimeout }}',
        },
      },
    ],
  },
};

/** @returns undefined for a document that is not AWS's own. */
export function managedDocument(name: string): StoredDocument | undefined {
  return name === 'AWS-RunShellScript' ? RUN_SHELL_SCRIPT : undefined;
}
