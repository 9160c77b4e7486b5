/** One way out that was tried from the isolated instance itself. */
export interface MeasuredFlow {
  /** E.g. `TCP to 198.51.100.10:443`. */
  path: string;
  /** `blocked`: no answer came within seconds, or none that lets anything through. */
  result: 'open' | 'blocked' | 'not-measured';
  detail?: string;
}

/**
 * What still flows, by the word of the isolated instance. It is the word of a suspect: who owns its kernel may have it say
 * `blocked`. An `open` that was not so would be to nobody's advantage.
 */
export interface IsolationMeasurement {
  measured: boolean;
  /** Why nothing was measured. */
  reason?: string;
  flows: MeasuredFlow[];
  /** What its kernel holds for established, without loopback; no proof that packets still pass. */
  established?: { count: number; connections: { local: string; remote: string }[] };
  /** ISO 8601; when the command was sent. */
  measuredAt?: string;
}

const CONNECTIONS_NAMED = 10;

/** What the measurement adds to what still flows; sentences for people. Nothing where nothing was asked for. */
export function measuredSentences({ measured, reason, flows, established }: IsolationMeasurement): string[] {
  if (!measured) return [`what still flows was not measured from the instance: ${reason ?? 'no reason was given'}`];
  const told = ({ path, detail }: MeasuredFlow): string => (detail === undefined ? path : `${path} (${detail})`);
  const those = (result: MeasuredFlow['result']): string =>
    flows
      .filter((flow) => flow.result === result)
      .map(told)
      .join(', ');
  const [open, blocked, unknown] = [those('open'), those('blocked'), those('not-measured')];
  return [
    ...(open === '' ? [] : [`measured from the instance: STILL OPEN: ${open}`]),
    ...(blocked === '' ? [] : [`measured from the instance: blocked: ${blocked}`]),
    ...(unknown === '' ? [] : [`could not be measured from the instance: ${unknown}`]),
    ...(established && established.count > 0 ? [establishedSentence(established)] : []),
  ];
}

function establishedSentence({ count, connections }: NonNullable<IsolationMeasurement['established']>): string {
  const named = [...new Set(connections.map(({ remote }) => remote))].slice(0, CONNECTIONS_NAMED).join(', ');
  return (
    `measured from the instance: its kernel holds ${count} TCP connection(s) for established, to ${named}; ` +
    'whether packets still pass on them is not known from there'
  );
}
