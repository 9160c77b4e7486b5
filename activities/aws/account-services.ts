import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { IAMClient } from '@aws-sdk/client-iam';
import type { AccountClients } from './clients';

/** Services that only protection, containment and their release call. */
export interface AccountServices {
  autoScaling: AutoScalingClient;
  iam: IAMClient;
}

const made = new WeakMap<AccountClients, AccountServices>();

/** Their clients with the credentials, the sockets and the patience of the account's own ones. */
export function servicesOf(account: AccountClients): AccountServices {
  const known = made.get(account);
  if (known) return known;
  const { region, credentials, requestHandler, retryMode, maxAttempts, customUserAgent } = account.ec2.config;
  const settings = {
    region,
    credentials,
    requestHandler,
    retryMode,
    maxAttempts,
    ...(customUserAgent && { customUserAgent }),
  };
  const services = { autoScaling: new AutoScalingClient(settings), iam: new IAMClient(settings) };
  made.set(account, services);
  return services;
}
