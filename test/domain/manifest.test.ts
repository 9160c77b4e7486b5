import { renderManifest } from '../../domain/manifest';

const url = 'https://b.s3.amazonaws.com/k?X-Amz-Signature=1';

it('a manifest is text of one fact a line', () => {
  const text = renderManifest({
    caseId: 'i-1-2026',
    tools: [
      { kind: 'program', name: 'avml', version: '0.21.0', sha256: 'a'.repeat(64), url },
      { kind: 'kernel-module', name: 'lime', version: '1', sha256: 'c'.repeat(64), url, kernelRelease: '6.1.0-1' },
    ],
    partSize: 33_554_432,
    parts: [
      { number: 1, url },
      { number: 2, url },
    ],
    next: url,
    inputs: [{ name: 'memory.lime', sha256: 'b'.repeat(64), sizeBytes: 10, url }],
    outputs: [{ name: 'linux.pslist.jsonl', url }],
  });
  expect(text.split('\n')).toEqual([
    'forensics-manifest 1',
    'case i-1-2026',
    `tool program avml 0.21.0 ${'a'.repeat(64)} ${url}`,
    `tool kernel-module lime 1 ${'c'.repeat(64)} ${url} 6.1.0-1`,
    'part-size 33554432',
    `part 1 ${url}`,
    `part 2 ${url}`,
    `next ${url}`,
    `input memory.lime ${'b'.repeat(64)} 10 ${url}`,
    `output linux.pslist.jsonl ${url}`,
    '',
  ]);
});

it('absent parts leave no line', () => {
  expect(renderManifest({ caseId: 'c' })).toBe('forensics-manifest 1\ncase c\n');
});

it.each(['a b', 'a\nnext http://evil/', 'ü', '', '\t'])('a field that would break a line is refused: %j', (caseId) => {
  expect(() => renderManifest({ caseId })).toThrow(/without blanks/);
});
