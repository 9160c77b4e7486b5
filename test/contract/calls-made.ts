import type { EC2ClientConfig } from '@aws-sdk/client-ec2';
import { operationPage, SERVICES } from './api-reference';

const pages = new Set<string>();

/** Pages of the operations that were called since {@link forgetCalls}. */
export const calledPages = (): string[] => [...pages];

export function forgetCalls(): void {
  pages.clear();
}

/** Every client of the SDK tells its logger of each call, whether it succeeded or not. */
function note(entry: unknown): void {
  if (typeof entry !== 'object' || entry === null || !('clientName' in entry) || !('commandName' in entry)) return;
  const service = SERVICES.find(({ client }) => client === entry.clientName);
  if (service) pages.add(operationPage(service.reference, String(entry.commandName).replace(/Command$/, '')));
}

const quiet = (): void => undefined;
export const callLogger: NonNullable<EC2ClientConfig['logger']> = {
  trace: quiet,
  debug: quiet,
  info: note,
  warn: quiet,
  error: note,
};
