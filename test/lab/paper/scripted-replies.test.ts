import { ScriptedExecutor } from '../../../lab/paper/scripted-executor';
import { ScriptedReplies } from '../../../lab/paper/scripted-replies';

const FILE = 'replies.yaml';

describe('scripted replies', () => {
  test('the first that fits the document and the step counts; a step that none fits succeeds at once', () => {
    const replies = ScriptedReplies.parse(
      `
      default:
        - { document: 'acquire-*', step: prepare, exitCode: 3 }
        - { document: 'acquire-*', delaySeconds: 2 }
      `,
      FILE,
    );
    const arn = 'arn:aws:ssm:us-east-1:444455556666:document/acquire-memory';
    expect(replies.find('default', arn, 'prepare').exitCode).toBe(3);
    expect(replies.find('default', 'acquire-memory', 'upload')).toMatchObject({ exitCode: 0, delaySeconds: 2 });
    expect(replies.find('default', 'other', 'prepare')).toMatchObject({
      exitCode: 0,
      delaySeconds: 0,
      ends: 'exit',
      agent: 'answers',
    });
    expect(replies.find('default', 'my-acquire-memory', 'prepare').exitCode).toBe(0);
  });

  test('a fault is told with the file and the member', () => {
    expect(() => ScriptedReplies.parse('slow:\n  - { delaySeconds: soon }', FILE)).toThrow(
      /^replies\.yaml is not usable: slow\.0\.delaySeconds: /,
    );
    expect(() => ScriptedReplies.parse('slow:\n  - { exitcode: 1 }', FILE)).toThrow(/slow\.0: .*exitcode/);
    expect(() => ScriptedReplies.parse('slow: [', FILE)).toThrow(/^replies\.yaml is not YAML: /);
  });

  test('the lab’s own file is usable, and an empty one means success', async () => {
    const own = await ScriptedReplies.read();
    expect(own.find('failing', 'any', 'any').exitCode).toBe(1);
    expect(own.has('nowhere')).toBe(false);
    expect(ScriptedReplies.parse('', FILE).find('default', 'any', 'any').exitCode).toBe(0);
  });

  test('placeholders in the output are filled in, and a cancellation ends the delay', async () => {
    const reply = ScriptedReplies.parse(
      "default:\n  - { delaySeconds: 3600, standardOutput: 'of {{ instanceId }}, {{ Case }}' }",
      FILE,
    ).find('default', 'any', 'any');
    const run = (delaySeconds: number, stop: AbortSignal): ReturnType<ScriptedExecutor['run']> =>
      new ScriptedExecutor(() => ({ ...reply, delaySeconds }), { instanceId: 'i-1', Case: 'c-7' }).run({
        script: '',
        environment: {},
        timeoutSeconds: 60,
        stop,
        name: 'command/step',
      });
    expect(await run(0, new AbortController().signal)).toEqual({
      stdout: 'of i-1, c-7',
      stderr: '',
      exitCode: 0,
      ended: 'exit',
    });
    const stop = new AbortController();
    const running = run(3600, stop.signal);
    stop.abort();
    expect(await running).toMatchObject({ ended: 'cancel', exitCode: 137 });
  });
});
