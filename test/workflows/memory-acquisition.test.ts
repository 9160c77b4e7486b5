import { ApplicationFailure } from '@temporalio/common';
import type { MemoryCapture } from '../../activities/types';
import { memoryWorkflowId } from '../../workflows/contract/workflow-ids';
import { caseRequest } from './case-fixtures';
import { failure } from './fakes';
import { TemporalForTests } from './temporal';

let temporal: TemporalForTests;
beforeAll(async () => {
  temporal = await TemporalForTests.start();
});
afterAll(() => temporal.stop());

const MEMORY_ONLY = { acquireDisks: false };
const REJECTED = { bucket: 'evidence', key: 'cases/c/memory/attempt-1/rejected/memory.lime', versionId: '7' };
const brokenImage = (): ApplicationFailure =>
  ApplicationFailure.nonRetryable('the image is cut short', 'EvidenceUnusable', { location: REJECTED });
/** The activity's answer when the ladder of two tools has ended. */
const ladderOfTwo = (result: MemoryCapture | null, { attempts }: { attempts: unknown[] }): MemoryCapture | null =>
  attempts.length < 2 ? result : null;

describe('the ladder of acquisition tools', () => {
  test.concurrent('goes on with the next tool when one is refused, and keeps what was tried', async () => {
    const awaitMemoryCapture = ({ capture }: { capture: MemoryCapture }): void => {
      if (capture.tool === 'avml') throw failure('ToolRefused', 'avml ended with status 1: kernel is locked down');
    };
    const script = { decision: MEMORY_ONLY, failures: { awaitMemoryCapture } };
    const { outcome, fakes } = await temporal.runCase(script, caseRequest());
    expect(outcome.outcome).toBe('complete');
    expect(outcome.exhibits).toMatchObject([
      {
        id: 'memory',
        tool: { name: 'lime' },
        attempts: [{ number: 1, tool: 'avml', outcome: 'tool-refused', reason: expect.stringMatching(/locked down/) }],
      },
    ]);
    expect(fakes.of('abandonMemoryCapture').map((call) => call.input)).toMatchObject([
      { attempt: 1, capture: { attempt: 1, tool: 'avml' } },
    ]);
    expect(fakes.events().filter((event) => event.kind === 'acquisition-attempt-failed')).toMatchObject([
      { message: expect.stringMatching(/attempt 1 with avml .*locked down/), data: { outcome: 'tool-refused' } },
    ]);
  });

  test.concurrent('acquires again when an image is broken, and names the place where that one is kept', async () => {
    const sealMemoryImage = (_input: unknown, nth: number): void => {
      if (nth === 1) throw brokenImage();
    };
    const script = { decision: MEMORY_ONLY, failures: { sealMemoryImage } };
    const { outcome } = await temporal.runCase(script, caseRequest());
    expect(outcome.outcome).toBe('complete');
    expect(outcome.exhibits).toMatchObject([
      { tool: { name: 'lime' }, attempts: [{ tool: 'avml', outcome: 'image-rejected', rejected: REJECTED }] },
    ]);
  });

  test.concurrent('ends with every reason when no tool gives an image', async () => {
    const script = {
      decision: MEMORY_ONLY,
      failures: {
        awaitMemoryCapture: ({ capture }: { capture: MemoryCapture }): void => {
          throw failure('ToolRefused', `${capture.tool} does not run here`);
        },
      },
      results: { startMemoryCapture: ladderOfTwo },
    };
    const { outcome, fakes } = await temporal.runCase(script, caseRequest());
    expect(outcome.exhibits).toEqual([]);
    expect(outcome.missing).toMatchObject([
      {
        id: 'memory',
        reason: expect.stringMatching(/no acquisition tool is left.*avml does not run here.*lime does not run here/),
        attempts: [
          { number: 1, tool: 'avml' },
          { number: 2, tool: 'lime' },
        ],
      },
    ]);
    expect(fakes.of('startMemoryCapture')).toHaveLength(3);
    // Nothing was begun the third time, so that nothing is put away.
    expect(fakes.of('abandonMemoryCapture')).toHaveLength(2);
  });

  test.concurrent('goes no further when the instance is gone, and tells what was tried before', async () => {
    const script = {
      decision: MEMORY_ONLY,
      failures: {
        startMemoryCapture: (_input: unknown, nth: number): void => {
          if (nth === 2) throw failure('AgentUnavailable', 'the instance is stopped');
        },
        sealMemoryImage: (): void => {
          throw brokenImage();
        },
      },
    };
    const { outcome, fakes } = await temporal.runCase(script, caseRequest());
    expect(outcome.missing).toMatchObject([
      { reason: expect.stringMatching(/^the instance is stopped; attempt 1 with avml .*cut short/) },
    ]);
    expect(fakes.of('startMemoryCapture')).toHaveLength(2);
  });
});

describe('an image that passes its checks and that the examination cannot read', () => {
  const unreadable = (times: number) => ({
    decision: MEMORY_ONLY,
    failures: {
      awaitExamination: (_input: unknown, nth: number): void => {
        if (nth <= times) throw failure('ImageUnreadable', 'Volatility finds no process 1');
      },
    },
  });

  test.concurrent('is kept, and the next tool takes another one, which is examined', async () => {
    const { outcome, fakes } = await temporal.runCase(unreadable(1), caseRequest());
    expect(outcome.exhibits).toMatchObject([
      { id: 'memory', tool: { name: 'avml' } },
      {
        id: 'memory-2',
        tool: { name: 'lime' },
        attempts: [
          { number: 1, tool: 'avml', outcome: 'image-unreadable', reason: expect.stringMatching(/process 1/) },
        ],
      },
    ]);
    expect(outcome.examinations).toMatchObject([
      { exhibit: 'memory', outcome: 'failed' },
      { exhibit: 'memory-2', outcome: 'succeeded' },
    ]);
    // The first examination did not do what was asked, and the case says so.
    expect(outcome.outcome).toBe('partial');
    const workflows = fakes.of('startMemoryCapture').map((call) => call.workflowId);
    expect(workflows).toEqual([memoryWorkflowId(outcome.caseId), memoryWorkflowId(outcome.caseId, 'memory-2')]);
  });

  test.concurrent('is taken again once only', async () => {
    const { outcome, fakes } = await temporal.runCase(unreadable(9), caseRequest());
    expect(outcome.exhibits.map((exhibit) => exhibit.id)).toEqual(['memory', 'memory-2']);
    expect(outcome.examinations.map((result) => result.outcome)).toEqual(['failed', 'failed']);
    expect(fakes.of('startMemoryCapture')).toHaveLength(2);
  });

  test.concurrent('stays the only one when the instance is gone by then', async () => {
    const script = unreadable(1);
    const startMemoryCapture = (_input: unknown, nth: number): void => {
      if (nth === 2) throw failure('AgentUnavailable', 'it is isolated');
    };
    const failures = { ...script.failures, startMemoryCapture };
    const { outcome } = await temporal.runCase({ ...script, failures }, caseRequest());
    expect(outcome.exhibits.map((exhibit) => exhibit.id)).toEqual(['memory']);
    expect(outcome.missing).toMatchObject([
      { id: 'memory-2', reason: expect.stringMatching(/it is isolated; attempt 1 with avml \(image-unreadable\)/) },
    ]);
  });
});
