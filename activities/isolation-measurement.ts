import { ApplicationFailure } from '@temporalio/common';
import type { IsolationMeasurement } from '../domain/containment';
import { readAgent } from './aws/agent-state';
import type { AwsClients } from './aws/clients';
import { operationOf } from './aws/idempotency';
import { reasonOf } from './aws/tolerance';
import { cancelCommand, followCommand } from './command-following';
import { sendCommandOnce } from './commands';
import type { ForensicsConfig } from './config';
import { noteAct } from './custody-acts';
import { flowsOf, PROBE_REPORT } from './isolation-probe';
import type { MeasurementActivities, StartedCommand } from './types';

/** The attempts end within seconds; a busy instance may need longer to start them. */
const RUN_SECONDS = 60;
/** The least that Run Command takes. An isolated agent either hears of it at once or not at all. */
const DELIVERY_SECONDS = 30;
/** Delivery, run, and what SSM needs to tell of both. */
const PATIENCE_MS = (RUN_SECONDS + DELIVERY_SECONDS + 10) * 1000;

const notMeasured = (reason: string): IsolationMeasurement => ({ measured: false, reason, flows: [] });

/** Has the isolated instance try what still gets out of it, by a document of its own. */
export function createMeasurementActivities(dependencies: {
  config: ForensicsConfig;
  clients: AwsClients;
  patienceMs?: number;
}): MeasurementActivities {
  const { config, clients, patienceMs = PATIENCE_MS } = dependencies;

  const probeIsolation: MeasurementActivities['probeIsolation'] = async ({ caseId, plan, measurement }) => {
    const probe = config.isolationProbe;
    if (!probe) return notMeasured('no canaries are configured');
    const { accountId, region, instanceId } = plan.target;
    if (plan.mode === 'full') return notMeasured('containment in mode full leaves the SSM agent no way to be reached');
    try {
      const agent = await readAgent(clients.member(accountId, region, 'triage', caseId), instanceId);
      if (agent.state !== 'online') return notMeasured(agent.reason);
      if (agent.platform !== 'Linux') return notMeasured(`there is no document for ${agent.platform}`);
      const acquire = clients.member(accountId, region, 'acquire', caseId);
      const { tcp, dns, icmp } = probe.canaries;
      const parameters = {
        CaseId: caseId,
        TcpCanaries: tcp.join(',') || 'none',
        DnsCanaries: dns.join(',') || 'none',
        IcmpCanaries: icmp.join(',') || 'none',
      };
      const command = await sendCommandOnce({
        clients: acquire,
        operation: operationOf(caseId, 'probe-isolation', String(measurement)),
        instanceId,
        document: config.documents.probeIsolation,
        documentNamedBy: 'arn',
        deadlineSeconds: RUN_SECONDS,
        deliverySeconds: DELIVERY_SECONDS,
        parameters: () => Promise.resolve(parameters),
      });
      noteProbe(command, parameters);
      const report = await followCommand({ ssm: acquire.ssm, command, result: PROBE_REPORT, patienceMs }).catch(
        async (error: unknown) => {
          // One that was not fetched must not run at an hour when nobody expects it.
          if (error instanceof ApplicationFailure && error.type === 'CommandTimedOut') {
            await cancelCommand(acquire.ssm, command);
          }
          throw error;
        },
      );
      if (report.case !== caseId) return notMeasured('the instance answers for another case');
      return {
        measured: true,
        flows: flowsOf(report, probe),
        ...(report.established && { established: report.established }),
        measuredAt: command.startedAt,
      };
    } catch (error) {
      return notMeasured(reasonOf(error));
    }
  };

  return { probeIsolation };
}

function noteProbe(
  { commandId, instanceId, document }: StartedCommand,
  canaries: { TcpCanaries: string; DnsCanaries: string; IcmpCanaries: string },
): void {
  noteAct({
    message:
      `The SSM agent of ${instanceId} is told to run document ${document.name} (version ${document.version}) as root: it tries ` +
      'to reach the canaries, the resolver and the metadata service, and lists TCP connections',
    document,
    data: {
      commandId,
      instanceId,
      canaries,
      changesSuspect: true,
      // Where the agent keeps it: Systems Manager User Guide, "SSM Agent log files".
      change: `SSM command ${commandId}: processes run as root; script, output and log of it kept on disk by the SSM agent`,
      reversible: false,
    },
  });
}
