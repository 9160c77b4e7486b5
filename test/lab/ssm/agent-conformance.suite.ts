import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { CancelCommandCommand, GetCommandInvocationCommand, type SSMClient } from '@aws-sdk/client-ssm';
import { runDocument } from '../../../lab/agent/document-run';
import { LocalExecutor } from '../../../lab/agent/local-executor';
import type { Emulator } from '../../../lab/aws/emulator';
import { LAB_ACCOUNTS, PROJECT_ROOT } from '../../../lab/config';
import { GOLDEN_CASES, type GoldenCase } from './golden-documents';
import {
  bundledAgent,
  createDocument,
  endAgent,
  finished,
  sendTo,
  type SsmBench,
  startAgent,
  startBench,
  until,
  untilOnline,
} from './ssm-bench';

const INSTANCE = 'i-0c0f0a11ce0000001';

/** What Run Command tells about a document's run. Long texts are recorded by their beginning and their length. */
type Report = unknown;

const recorded = JSON.parse(
  readFileSync(path.join(PROJECT_ROOT, 'test/fixtures/ssm-agent-golden.json'), 'utf8'),
) as Record<string, Report>;

function abridged(value: unknown): unknown {
  const text = JSON.stringify(value, (_key, member: unknown) =>
    typeof member === 'string' && member.length > 300 ? `${member.slice(0, 40)}… (${member.length})` : member,
  );
  return JSON.parse(text);
}

/** All documents run at once: the slow ones wait side by side. */
export function agentConformance(emulator: () => Emulator): void {
  describe('the agent reports what amazon-ssm-agent 3.3 reported', () => {
    let bench: SsmBench;
    let client: SSMClient;
    let agent: ChildProcess;
    const reports = new Map<string, Promise<Report>>();

    beforeAll(async () => {
      bench = await startBench(emulator());
      const credentials = await bench.credentials(LAB_ACCOUNTS.member);
      client = bench.client(credentials);
      agent = startAgent(bench, await bundledAgent(bench), INSTANCE, credentials);
      await untilOnline(bench, INSTANCE);
      for (const [name, golden] of Object.entries(GOLDEN_CASES)) {
        const report = run(name, golden);
        report.catch(() => undefined); // the case's own test reports it
        reports.set(name, report);
      }
    });

    afterAll(async () => {
      await endAgent(agent);
      client.destroy();
      await bench.stop();
    });

    async function run(name: string, golden: GoldenCase): Promise<Report> {
      if (golden.refusedByService === true) return await runWithoutService(name, golden);
      await createDocument(client, `golden-${name}`, golden.document);
      const marker = path.join(bench.folder, `${name}.started`);
      const parameters = golden.cancelOnceStarted === true ? { Marker: [marker] } : golden.parameters;
      const commandId = await sendTo(client, INSTANCE, `golden-${name}`, parameters);
      if (golden.cancelOnceStarted === true) {
        await until('the script runs', () => existsSync(marker));
        await client.send(new CancelCommandCommand({ CommandId: commandId }));
      }
      const invocation = await finished(client, commandId);
      const steps: Record<string, unknown> = {};
      for (const { name: stepName } of golden.document.mainSteps) {
        const detail = await client.send(
          new GetCommandInvocationCommand({ CommandId: commandId, InstanceId: INSTANCE, PluginName: stepName }),
        );
        const plugin = invocation.CommandPlugins!.find((candidate) => candidate.Name === stepName);
        steps[stepName] = {
          status: plugin?.StatusDetails,
          code: plugin?.ResponseCode,
          out: detail.StandardOutputContent,
          err: detail.StandardErrorContent,
          output: plugin?.Output,
        };
      }
      return abridged({ status: invocation.Status, trace: invocation.TraceOutput, steps });
    }

    /** What the agent makes of a document that CreateDocument refuses. */
    async function runWithoutService(name: string, golden: GoldenCase): Promise<Report> {
      await expect(createDocument(client, `golden-${name}`, golden.document)).rejects.toMatchObject({
        name: 'InvalidDocumentContent',
      });
      const steps: Record<string, unknown> = {};
      const executor = new LocalExecutor(path.join(bench.folder, name));
      const context = { executor, commandId: name, environment: {}, stop: new AbortController().signal };
      const status = await runDocument(golden.document, {}, context, (stepName, result) => {
        const { code, standardOutput: out, standardError: err, output } = result;
        steps[stepName] = { status: result.status, code, out, err, output };
      });
      return abridged({ status, trace: '', steps });
    }

    test('every recorded document has a case', () => {
      expect(Object.keys(GOLDEN_CASES)).toEqual(Object.keys(recorded));
    });

    test.each(Object.keys(recorded))('%s', async (name) => {
      expect(await reports.get(name)).toEqual(recorded[name]);
    });
  });
}
