import fs from 'node:fs/promises';
import path from 'node:path';

import { networkFolder } from './network-services';

/** A session of lines with our beacon server; see services/beacon_server.py. Times are ISO 8601 in UTC. */
export interface BeaconSession {
  /** The client as seen from the internet: after address translation. */
  from: string;
  port: number;
  openedAt: string;
  lastLineAt: string | null;
  lines: number;
  bytesIn: number;
  bytesOut: number;
  open: boolean;
}

export interface BeaconView {
  sessions: BeaconSession[];
  requests: { at: string; from: string; method: string; target: string }[];
}

/** A query that a resolver of the lab was asked. */
export interface ResolverQuery {
  at: string;
  vpcId: string;
  from: string;
  name: string;
  type: string;
  /** Null: there is no such name. */
  answer: string | null;
  protocol: 'udp' | 'tcp';
}

/** What the beacon server of a lab has seen; from any process of this machine. */
export async function beaconView(stateFolder: string): Promise<BeaconView> {
  return JSON.parse(await fs.readFile(path.join(networkFolder(stateFolder), 'beacon.json'), 'utf8')) as BeaconView;
}

/** Every query that the resolvers of a lab were asked, oldest first. */
export async function resolverQueries(stateFolder: string): Promise<ResolverQuery[]> {
  const text = await fs.readFile(path.join(networkFolder(stateFolder), 'dns-queries.jsonl'), 'utf8');
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as ResolverQuery);
}
