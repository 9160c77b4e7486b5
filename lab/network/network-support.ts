import { findOnPath } from '../setup/run-tool';
import { dropNamespace } from './namespaces';
import { applyRules, runCommand } from './run-in-namespace';

const TOOLS: Record<string, string> = { ip: 'iproute2', nft: 'nftables', nsenter: 'util-linux', sh: 'dash' };

/** The very features that security groups and translation need, in a namespace that ends with the trial. */
const TRIAL_RULES = `
table inet trial {
  set peers { type ipv4_addr . inet_proto; flags dynamic; counter; size 16; }
  chain zones { type filter hook prerouting priority raw; meta l4proto tcp ct zone set 1; }
  chain filtered {
    type filter hook forward priority filter; policy drop;
    ct state established ct mark 1 update @peers { ip saddr . ip protocol } accept
  }
}
table ip trial-translation {
  chain inbound { type filter hook prerouting priority -300; ip daddr set ip daddr map { 192.0.2.1 : 192.0.2.2 }; }
  chain outbound { type nat hook postrouting priority srcnat; ip saddr 192.0.2.0/24 snat to 198.51.100.1; }
}
`;

/** Why the lab's network cannot be had on this machine, in one line; undefined when it can. Found out by trying. */
export async function whyNoNetwork(): Promise<string | undefined> {
  if (process.platform !== 'linux') return `this is ${process.platform}, not Linux`;
  if (process.getuid?.() !== 0) return 'not started by root';
  for (const [tool, debianPackage] of Object.entries(TOOLS)) {
    if (!(await findOnPath(tool))) return `${tool} is missing (package ${debianPackage})`;
  }
  const name = `lab-trial-${process.pid}`;
  try {
    await runCommand('ip', ['netns', 'add', name]);
    await runCommand('ip', ['-netns', name, 'link', 'add', 'one', 'type', 'veth', 'peer', 'name', 'other']);
    await applyRules(name, TRIAL_RULES);
    return undefined;
  } catch (error) {
    const said = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    return `this machine does not let root make networks (${said})`;
  } finally {
    await dropNamespace(name).catch(() => undefined);
  }
}
