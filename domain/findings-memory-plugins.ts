/**
 * Volatility 3 plugins (2.28.2) that an examination runs unless told otherwise: those whose rows the rules read, none of
 * which scans the whole image. `linux.malware.*` are the names that stay; the old ones go in the release after 2026-06.
 */
export const MEMORY_PLUGINS = [
  'linux.pslist',
  'linux.psaux',
  'linux.malware.process_spoofing',
  'linux.bash',
  'linux.envars',
  'linux.sockstat',
  'linux.malware.malfind',
  'linux.lsmod',
  'linux.malware.modxview',
  'linux.malware.check_modules',
  'linux.malware.check_syscall',
  'linux.malware.check_creds',
  'linux.malware.netfilter',
] as const;

export type MemoryPlugin = (typeof MEMORY_PLUGINS)[number];
