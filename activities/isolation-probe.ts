import { z } from 'zod';
import type { MeasuredFlow } from '../domain/containment';
import type { IsolationProbe } from './config';

type CanaryKind = keyof IsolationProbe['canaries'];

const LABEL = '[A-Za-z0-9-]{1,63}';
/** The same forms as the document's own, an entry at a time. */
export const CANARY_FORMS: Record<CanaryKind, RegExp> = {
  tcp: /^([0-9.]{7,15}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}$/,
  dns: new RegExp(`^${LABEL}(\\.${LABEL}){1,8}$`),
  icmp: /^[0-9A-Fa-f:.]{2,45}$/,
};

const RESULTS = ['open', 'blocked', 'not-measured'] as const;
const address = z.string().regex(/^([0-9.]{7,15}|\[[0-9a-f:]{39}\]):[0-9]{1,5}$/);

/** What the document prints. It runs on the suspect: only what was asked for, in the words that were agreed, is taken. */
export const PROBE_REPORT = z.strictObject({
  form: z.literal(1),
  case: z.string().max(128),
  flows: z
    .array(
      z.strictObject({
        kind: z.enum(['tcp', 'dns', 'icmp', 'metadata']),
        target: z.string().max(255),
        result: z.enum(RESULTS),
        how: z.enum([
          'connected',
          'refused',
          'answered',
          'no-answer',
          'no-way-out',
          'no-address',
          'no-token',
          'no-tool',
          'not-possible',
        ]),
        code: z.int().min(0).max(599).exactOptional(),
      }),
    )
    .max(30),
  established: z
    .strictObject({
      count: z.int().min(0).max(10_000_000),
      connections: z.array(z.strictObject({ local: address, remote: address })).max(40),
    })
    .nullable(),
});
export type ProbeReport = z.infer<typeof PROBE_REPORT>;
type ReportedFlow = ProbeReport['flows'][number];

const METADATA = '169.254.169.254';

function pathOf(kind: ReportedFlow['kind'], target: string): string {
  switch (kind) {
    case 'tcp':
      return `TCP to ${target}`;
    case 'dns':
      return `DNS through the Amazon resolver for ${target}`;
    case 'icmp':
      return `ICMP echo to ${target}`;
    case 'metadata':
      return 'the instance metadata service';
  }
}

function detailOf({ kind, how, code }: ReportedFlow): string | undefined {
  switch (how) {
    case 'connected':
    case 'answered':
      return undefined;
    case 'refused':
      return 'the connection was refused: an answer came back, if not from a firewall inside the instance';
    case 'no-answer':
      return 'no answer';
    case 'no-way-out':
      return 'no way out';
    case 'no-address':
      return `the resolver answers without an address, code ${code ?? 'unknown'}`;
    case 'no-token':
      return `it gives no token, HTTP ${code ?? 'status unknown'}`;
    case 'no-tool':
      return 'the instance lacks the program for it';
    case 'not-possible':
      return kind === 'icmp' ? 'ping ended with an error' : 'the attempt ended with an error';
  }
}

/** One flow for each thing that was tried, in the order of the configuration; what the report leaves out was not measured. */
export function flowsOf(report: ProbeReport, { canaries }: IsolationProbe): MeasuredFlow[] {
  const asked = [
    ...canaries.tcp.map((target) => ['tcp', target] as const),
    ...canaries.icmp.map((target) => ['icmp', target] as const),
    ...canaries.dns.map((target) => ['dns', target] as const),
    ['metadata', METADATA] as const,
  ];
  return asked.map(([kind, target]): MeasuredFlow => {
    const path = pathOf(kind, target);
    const told = report.flows.find((flow) => flow.kind === kind && (kind === 'metadata' || flow.target === target));
    if (!told) return { path, result: 'not-measured', detail: 'the instance said nothing of it' };
    const detail = detailOf(told);
    return { path, result: told.result, ...(detail !== undefined && { detail }) };
  });
}
