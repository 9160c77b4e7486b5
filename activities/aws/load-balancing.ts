import { ElasticLoadBalancingV2Client } from '@aws-sdk/client-elastic-load-balancing-v2';
import type { AccountClients } from './clients';

const made = new WeakMap<AccountClients, ElasticLoadBalancingV2Client>();

/** The client of Elastic Load Balancing with the credentials, the sockets and the patience of the account's own ones. */
export function loadBalancingOf(account: AccountClients): ElasticLoadBalancingV2Client {
  const known = made.get(account);
  if (known) return known;
  const { region, credentials, requestHandler, retryMode, maxAttempts, customUserAgent } = account.ec2.config;
  const client = new ElasticLoadBalancingV2Client({
    region,
    credentials,
    requestHandler,
    retryMode,
    maxAttempts,
    ...(customUserAgent && { customUserAgent }),
  });
  made.set(account, client);
  return client;
}
